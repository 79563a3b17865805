package identity

import "strings"

// covers reports whether a pattern, in which * is any text and ? any character, matches
// all that another one matches, which may be plain text. Where both have wildcards it may
// miss that, but never claims it wrongly.
func covers(pattern, other string) bool {
	p, o := []rune(pattern), []rune(other)
	i, j, star, resume := 0, 0, -1, 0
	for j < len(o) {
		switch {
		case i < len(p) && p[i] == '*':
			star, resume = i, j
			i++
		case i < len(p) && (p[i] == o[j] || p[i] == '?' && o[j] != '*'):
			i++
			j++
		case star >= 0: // the last * takes one character more
			resume++
			i, j = star+1, resume
		default:
			return false
		}
	}
	return strings.Trim(string(p[i:]), "*") == ""
}

// overlap reports whether some text is matched by both of two patterns.
func overlap(a, b string) bool {
	x, y := []rune(a), []rune(b)
	after := make([]bool, len(y)+1) // for what follows x[i], and each end of y
	for i := len(x); i >= 0; i-- {
		row := make([]bool, len(y)+1)
		for j := len(y); j >= 0; j-- {
			inX, inY := i < len(x), j < len(y)
			switch {
			case !inX && !inY:
				row[j] = true
			case inX && x[i] == '*':
				row[j] = after[j] || inY && row[j+1]
			case inY && y[j] == '*':
				row[j] = row[j+1] || inX && after[j]
			case inX && inY && (x[i] == y[j] || x[i] == '?' || y[j] == '?'):
				row[j] = after[j+1]
			}
		}
		after = row
	}
	return after[0]
}

// isEverything reports whether a pattern of actions or resources matches any.
func isEverything(pattern string) bool {
	return strings.Contains(pattern, "*") && strings.Trim(pattern, "*?:") == ""
}

// isWholeService reports whether a pattern matches all actions of a service.
func isWholeService(pattern string) bool {
	_, actions, _ := strings.Cut(pattern, ":")
	return isEverything(actions)
}

// unheardOf is the name of nothing that there is, so that only wildcards match it.
const unheardOf = "~"

// isAnyOf reports whether a pattern matches any resource of a service, unheardOf for all,
// whose last part is named like that: in all accounts, or in one.
func isAnyOf(pattern, service, name string) bool {
	parts := append(strings.SplitN(pattern, ":", arnParts), make([]string, arnParts)...)
	partition, region, account := "aws", unheardOf, unheardOf
	if strings.HasPrefix(parts[1], "aws") && !strings.Contains(parts[1], "*") {
		partition = parts[1]
	}
	if parts[3] == "" { // as in ARNs of IAM and S3
		region = ""
	}
	if !strings.ContainsAny(parts[4], "*?") {
		account = parts[4]
	}
	return covers(pattern, strings.Join([]string{"arn", partition, service, region, account, name}, ":"))
}

// arnParts is how many parts an ARN has: arn, partition, service, region, account and name.
const arnParts = 6
