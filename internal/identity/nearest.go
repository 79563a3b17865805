package identity

import "strings"

// longestWord limits how many bytes of a word are compared. All known words are
// shorter.
const longestWord = 64

// How much of a known word may differ, in percent: by typing errors, and the weight
// given to a missing or additional prefix or suffix.
const (
	maxTypos        = 25
	affixDifference = 34
)

// Nearest returns the known word that word was most likely meant to be, the first
// of several equally likely ones, or "" if none is similar. Case, plural endings
// and the separators between parts are ignored. Words of which one begins or ends
// with the other are similar.
func Nearest(word string, known []string) string {
	nearest, least := "", affixDifference+1
	word = fold(word[:min(len(word), longestWord)])
	if len(word) < 2 {
		return ""
	}
	for _, k := range known {
		folded := fold(k)
		differs := 100 * distance(word, folded) / max(len(folded), 1)
		if differs > maxTypos {
			if !hasAffix(word, folded) && !hasAffix(folded, word) {
				continue
			}
			differs = affixDifference
		}
		if differs < least {
			nearest, least = k, differs
		}
	}
	return nearest
}

func hasAffix(long, short string) bool {
	return len(short) > 2 && (strings.HasPrefix(long, short) || strings.HasSuffix(long, short))
}

// separators are removed before words are compared.
var separators = strings.NewReplacer("-", "", "_", "", ".", "", " ", "")

// fold returns word in lower case, in the singular, and without separators.
func fold(word string) string {
	word = separators.Replace(strings.ToLower(word))
	if stem, plural := strings.CutSuffix(word, "ies"); plural {
		return stem + "y"
	}
	return strings.TrimSuffix(word, "s")
}

// distance returns the restricted edit distance of a and b in bytes: the number of
// insertions, deletions, substitutions and swaps of neighbours that turn one into
// the other. See
// https://en.wikipedia.org/wiki/Damerau%E2%80%93Levenshtein_distance.
func distance(a, b string) int {
	var rows [3][longestWord + 1]int // the last one is the current row
	b = b[:min(len(b), longestWord)]
	for j := range len(b) + 1 {
		rows[2][j] = j
	}
	for i := 1; i <= len(a); i++ {
		rows[0], rows[1] = rows[1], rows[2]
		rows[2][0] = i
		for j := 1; j <= len(b); j++ {
			replaced := rows[1][j-1]
			if a[i-1] != b[j-1] {
				replaced++
			}
			rows[2][j] = min(replaced, rows[1][j]+1, rows[2][j-1]+1)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				rows[2][j] = min(rows[2][j], rows[0][j-2]+1)
			}
		}
	}
	return rows[2][len(b)]
}
