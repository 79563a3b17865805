package identity

import (
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// maxQuoted is how much of a value a message repeats: values come from
// tenants and may be hundreds of kilobytes long, an event holds 1,024 bytes.
const maxQuoted = 100

// Quote returns v quoted for a message, escaped and cut to a readable length.
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

// Cut returns v as it may stand between a message's own quotes: as it is if it
// is short and printable, else escaped and cut.
func Cut(v string) string {
	quoted := Quote(v)
	if quoted == `"`+v+`"` {
		return v
	}
	return quoted
}

// oneLine keeps what a decoder says from breaking lines.
func oneLine(text string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return ' '
		}
		return r
	}, text)
}
