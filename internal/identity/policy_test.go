package identity

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// trustStatement returns a trust policy with one statement with the given elements.
func trustStatement(elements string) string {
	return `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"sts:AssumeRole"` + elements + `}]}`
}

func TestNormalizePolicy(t *testing.T) {
	for name, tc := range map[string]struct {
		kind       PolicyKind
		text, want string
	}{
		"everybody": {
			TrustPolicy, trustStatement(`,"Principal":"*"`),
			`{"Statement":[{"Action":"sts:AssumeRole","Effect":"Allow","Principal":{"AWS":"*"}}],"Version":"2012-10-17"}`,
		},
		"everybody in NotPrincipal": {
			TrustPolicy, trustStatement(`,"NotPrincipal":"*"`),
			`{"Statement":[{"Action":"sts:AssumeRole","Effect":"Allow","NotPrincipal":{"AWS":"*"}}],"Version":"2012-10-17"}`,
		},
		"numbers and booleans": {
			IdentityPolicy, one(`,"Action":"*","Condition":{"NumericEquals":{"a:b":[1,12345678901234567890]},"Bool":{"a:c":true}}`),
			`{"Statement":[{"Action":"*","Condition":{"Bool":{"a:c":"true"},"NumericEquals":{"a:b":["1","12345678901234567890"]}},"Effect":"Allow","Resource":"*"}],"Version":"2012-10-17"}`,
		},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := NormalizePolicy(tc.text, tc.kind)
			require.NoError(t, err)
			assert.Equal(t, tc.want, got)
		})
	}
}

func TestNormalizePolicyRejectsInvalidTrustPolicies(t *testing.T) {
	for name, tc := range map[string]struct{ elements, wantErr string }{
		"no principal":               {``, "needs either Principal or NotPrincipal"},
		"Principal and NotPrincipal": {`,"Principal":"*","NotPrincipal":"*"`, "needs either Principal or NotPrincipal"},
		"an empty principal":         {`,"Principal":{}`, "has an empty Principal"},
		"an unknown principal":       {`,"Principal":{"Aws":"*"}`, "write AWS"},
		"an empty list":              {`,"Principal":{"AWS":[]}`, "has an empty list for Principal AWS"},
		"a resource":                 {`,"Principal":"*","Resource":"*"`, "has a Resource"},
		"a NotResource":              {`,"Principal":"*","NotResource":"*"`, "has a NotResource"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := NormalizePolicy(trustStatement(tc.elements), TrustPolicy)
			require.ErrorContains(t, err, tc.wantErr)
		})
	}
}

func TestParsePolicyLimitsCharacters(t *testing.T) {
	_, err := ParsePolicy(one(`,"Action":"s3:ÿ"`))
	require.NoError(t, err, "U+00FF")
	_, err = ParsePolicy(one(`,"Action":"s3:Ā"`))
	require.ErrorContains(t, err, "IAM takes none beyond U+00FF", "U+0100")
}

func TestParsePolicyLimitsWhiteSpaceInStrings(t *testing.T) {
	policy := one(`,"Action":"s3:` + strings.Repeat(" ", maxCompact) + `"`)
	_, err := ParsePolicy(policy)
	require.ErrorContains(t, err, "shorten its strings")
	_, err = ParsePolicy(strings.Replace(policy, strings.Repeat(" ", len(policy)-maxCompact), "", 1))
	require.NoError(t, err, "the maximum size")
}

func TestParseManagedPoliciesSorts(t *testing.T) {
	got, err := ParseManagedPolicies("arn:aws:iam::aws:policy/B, arn:aws:iam::aws:policy/A,arn:aws:iam::aws:policy/B")
	require.NoError(t, err)
	assert.Equal(t, []string{"arn:aws:iam::aws:policy/A", "arn:aws:iam::aws:policy/B"}, got)
}
