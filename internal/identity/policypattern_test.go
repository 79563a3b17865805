package identity

import (
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
)

func TestPatternsOfActions(t *testing.T) {
	for _, tc := range []struct {
		a, b             string
		covers, overlaps bool
	}{
		{"s3:*", "s3:getobject", true, true},
		{"s3:getobject", "s3:*", false, true},
		{"*", "s3:*", true, true},
		{"s3:get*", "s3:get?bject", true, true},
		{"s3:get?bject", "s3:get*", false, true},
		{"s3:*object", "s3:get*", false, true},
		{"s3:put*", "s3:get*", false, false},
		{"s3:*", "sqs:*", false, false},
		{"s?:*", "sqs:*", false, false},
		{"s*:*", "sqs:*", true, true},
		{"a*b*c", "a*c", false, true},
		{"a*c", "a*b*c", true, true},
		{"", "", true, true},
		{"*", "", true, true},
		{"?", "*", false, true},
		{"?", "", false, false},
		{"a", "ab", false, false},
	} {
		assert.Equal(t, tc.covers, covers(tc.a, tc.b), "%s covers %s", tc.a, tc.b)
		assert.Equal(t, tc.overlaps, overlap(tc.a, tc.b), "%s overlaps %s", tc.a, tc.b)
		assert.Equal(t, tc.overlaps, overlap(tc.b, tc.a), "%s overlaps %s", tc.b, tc.a)
	}
}

// FuzzPatterns compares patterns with regular expressions, on texts made of the other one.
func FuzzPatterns(f *testing.F) {
	f.Add("s3:*object", "s3:get*")
	f.Add("a*b?c*", "a?bbc")
	f.Add("**?", "*?*")
	f.Fuzz(func(t *testing.T, a, b string) {
		if len(a)+len(b) > 100 {
			return
		}
		a, b = strings.ToValidUTF8(a, ""), strings.ToValidUTF8(b, "")
		expression := regexp.MustCompile("(?s)^" + strings.NewReplacer(`\*`, ".*", `\?`, ".").Replace(regexp.QuoteMeta(a)) + "$")
		for _, text := range []string{"", "x", "*", "get"} { // some of what b matches
			text = strings.NewReplacer("*", text, "?", "x").Replace(b)
			plain := !strings.ContainsAny(text, "*?")
			matched := expression.MatchString(text)
			if plain {
				assert.Equal(t, matched, covers(a, text), "%q covers %q", a, text)
			}
			assert.False(t, covers(a, b) && !matched, "%q covers %q, but not %q", a, b, text)
			assert.False(t, !overlap(a, b) && matched, "%q and %q overlap in %q", a, b, text)
		}
		assert.Equal(t, overlap(a, b), overlap(b, a))
	})
}
