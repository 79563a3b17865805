package identity

import "strings"

// longestWord is how much of a word is compared: all that is known is shorter.
const longestWord = 64

// How much of a known word may differ, in hundredths: by typing errors, and what
// counts as much as a part that is left out or too many.
const (
	maxTypos        = 25
	affixDifference = 34
)

// Nearest returns the known word that another was most likely meant to be, the
// first of several, or "" if none is like it. Case and what joins parts of a
// word do not count. A word that begins or ends with all of a known one, or the
// other way round, is like it.
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

// joints are what may stand between the parts of a word.
var separators = strings.NewReplacer("-", "", "_", "", ".", "", " ", "")

// fold returns a word in lower case, in one, and in the singular.
func fold(word string) string {
	word = separators.Replace(strings.ToLower(word))
	if stem, plural := strings.CutSuffix(word, "ies"); plural {
		return stem + "y"
	}
	return strings.TrimSuffix(word, "s")
}

// distance returns how many bytes have to be put in, taken out, replaced or
// swapped with the next to make one word of another.
func distance(a, b string) int {
	var rows [3][longestWord + 1]int // of which the last is the current one
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
