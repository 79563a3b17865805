package identity

import (
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// maxQuoted limits how many bytes of a value a message repeats. Values come from
// tenants and may be hundreds of kilobytes long; an event holds 1,024 bytes.
const maxQuoted = 100

// Quote returns v quoted and escaped for a message, truncated to about 100 bytes.
func Quote(v string) string {
	if len(v) <= maxQuoted {
		return strconv.Quote(v)
	}
	cut := maxQuoted
	for cut > 0 && !utf8.RuneStart(v[cut]) {
		cut--
	}
	return strconv.Quote(v[:cut]) + "… (" + strconv.Itoa(len(v)) + " bytes)"
}

// Cut returns v for a message that supplies its own quotes: unchanged if it is
// short and printable, otherwise as Quote returns it.
func Cut(v string) string {
	quoted := Quote(v)
	if quoted == `"`+v+`"` {
		return v
	}
	return quoted
}

// oneLine replaces control characters, line breaks included, by spaces.
func oneLine(text string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return ' '
		}
		return r
	}, text)
}
