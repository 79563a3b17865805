package secrets

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
)

func TestRedact(t *testing.T) {
	for text, want := range map[string]string{
		"":                                   "",
		"nothing of it":                      "nothing of it",
		"all: abcdefghijklmnop.":             "all: REDACTED.",
		"cut abcdefghij":                     "cut REDACTED",
		"cut hijklmnop here":                 "cut REDACTED here",
		"seven bytes abcdefg stay":           "seven bytes abcdefg stay",
		"twice abcdefgh and ijklmnop":        "twice REDACTED and REDACTED",
		"one after another abcdefghABCDEFGH": "one after another REDACTED",
	} {
		assert.Equal(t, want, redact(text, []string{"abcdefghijklmnop", "ABCDEFGHIJ", "short"}), text)
	}
}

func FuzzRedact(f *testing.F) {
	f.Add("before secret-of-many-bytes after", "secret-of-many-bytes")
	f.Fuzz(func(t *testing.T, text, secret string) {
		if strings.ContainsAny(secret, "REDACT") {
			return // the mark itself could make it up
		}
		got := redact(text, []string{secret})
		for i := 0; i+minLeak <= len(secret); i++ {
			assert.NotContains(t, got, secret[i:i+minLeak])
		}
		if !strings.Contains(text, secret) && len(secret) < minLeak {
			assert.Equal(t, text, got)
		}
	})
}
