package identity

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestParseSessionPolicy(t *testing.T) {
	action := `,"Action":"s3:GetObject"`
	longest := one(action + `,"Sid":"` + strings.Repeat("a", maxSessionPolicy-len(one(action+`,"Sid":""`))) + `"`)
	require.Len(t, longest, maxSessionPolicy)
	latin := one(action + `,"Condition":{"StringEquals":{"a:b":"` + strings.Repeat("ÿ", 1900) + `"}}`)
	for name, tc := range map[string]struct{ text, want, err string }{
		"white space":                {" {\n\"Version\": \"2012-10-17\",\n\"Statement\": [" + allow + "] } ", `{"Version":"2012-10-17","Statement":[` + allow + `]}`, ""},
		"the longest":                {longest, longest, ""},
		"white space does not count": {strings.Replace(longest, ",", ",\n  ", 5), longest, ""},
		"a character too many": {
			strings.Replace(longest, `"Sid":"`, `"Sid":"a`, 1), "",
			"the policy has 2049 characters without white space between its parts, and STS takes 2048: shorten it",
		},
		"spaces in strings count": {
			one(action + `,"Condition":{"StringEquals":{"a:b":"` + strings.Repeat(" ", maxSessionPolicy) + `"}}`), "",
			"characters without white space between its parts, and STS takes 2048",
		},
		"characters, not bytes": {latin, latin, ""},
		"beyond U+00FF":         {one(`,"Action":"s3:Ā"`), "", "takes none beyond U+00FF"},
		"a principal":           {one(action + `,"Principal":"*"`), "", "statement 1 has a Principal: remove it, this policy is for the sessions of this object alone"},
		"a NotPrincipal":        {one(action + `,"NotPrincipal":{"AWS":"*"}`), "", "statement 1 has a NotPrincipal: remove it"},
		"no resource":           {`{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"*"}}`, "", "needs either Resource or NotResource: give one"},
		"empty":                 {"", "", `"" is not JSON: it is empty`},
		"a comma too many":      {`{"Version":"2012-10-17",}`, "", "line 1, column 25: "},
		"the ARN of a policy":   {"arn:aws:iam::aws:policy/ReadOnlyAccess", "", "is not JSON"},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := ParseSessionPolicy(tc.text)
			if tc.err != "" {
				require.ErrorContains(t, err, tc.err)
				assert.Less(t, len(err.Error()), 600, "an event holds 1,024 bytes")
				return
			}
			require.NoError(t, err)
			assert.Equal(t, tc.want, got)
			assert.LessOrEqual(t, len(got), MaxSessionPolicyBytes)
		})
	}
}
