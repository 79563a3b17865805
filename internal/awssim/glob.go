package awssim

import "strings"

// glob reports whether pattern matches all of s. * matches any sequence of characters and ?
// any single one. The worst case takes time proportional to the product of both lengths.
func glob(pattern, s string) bool {
	p, i := 0, 0
	star, mark := -1, 0
	for i < len(s) {
		switch {
		case p < len(pattern) && pattern[p] == '*':
			star, mark = p, i
			p++
		case p < len(pattern) && (pattern[p] == '?' || pattern[p] == s[i]):
			p++
			i++
		case star >= 0:
			mark++
			p, i = star+1, mark
		default:
			return false
		}
	}
	return strings.Trim(pattern[p:], "*") == ""
}

// globARN matches each of the six parts of an ARN separately.
func globARN(have, want string) bool {
	h, w := strings.SplitN(have, ":", 6), strings.SplitN(want, ":", 6)
	if len(h) != 6 || len(w) != 6 {
		return want == "*"
	}
	for i := range h {
		if !glob(w[i], h[i]) {
			return false
		}
	}
	return true
}
