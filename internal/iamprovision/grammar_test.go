package iamprovision

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"kube-aws-iam-controller/internal/awssim"
	"kube-aws-iam-controller/internal/identity"
	"kube-aws-iam-controller/internal/trust"
)

// stricter are the reasons for which an annotation is refused that IAM's grammar
// has nothing against.
var stricter = []string{
	"the Version is missing", // which would make it one of 2008
	"takes none beyond U+00FF", "characters without white space", "bytes without white space", "not Unicode text",
}

// FuzzGrammar holds the two readings of IAM's grammar against each other, which
// share no code: what is taken from an annotation, simulated IAM takes, and the
// other way round.
func FuzzGrammar(f *testing.F) {
	for _, seed := range []string{
		policyA, `{"Version":"2012-10-17","Statement":{"Effect":"Deny","NotAction":[],"NotResource":null}}`,
		`{"Version":"2012-10-17","Statement":[{"Sid":"a","Effect":"Allow","Action":"*","Resource":"*","Condition":{"Null":{"a:b":true}}},{"Sid":"a"}]}`,
		`{"Version":"2008-10-17","Id":"","Statement":[{"Effect":"Allow","Action":"*","Resource":["*",""],"Principal":"*"}]}`,
		`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"*","Resource":"*","Condition":{"ForAnyValue:StringLikeIfExists":{"":[1.5,"\u00e4"]},"stringEquals":{}}}]}`,
	} {
		f.Add(seed)
	}
	paths, err := filepath.Glob(published)
	require.NoError(f, err)
	for _, path := range paths {
		text, err := os.ReadFile(path)
		require.NoError(f, err)
		f.Add(string(text))
	}
	f.Fuzz(func(t *testing.T, text string) {
		policy, refusal := identity.ParsePolicy(text)
		_, failure := awssim.New(awssim.Options{}).AddUser(home, "user", false, strings.TrimSpace(text))
		switch {
		case refusal == nil && failure != nil:
			// Only it says whether the case of operators counts.
			assert.Contains(t, failure.Error(), "Invalid Condition type", "taken from an annotation")
		case refusal == nil:
			_, failure = awssim.New(awssim.Options{}).AddUser(home, "user", false, policy)
			require.NoError(t, failure, "as it is sent")
			assert.True(t, trust.Equivalent(identity.IdentityPolicy, text, policy), "it is itself")
		case failure == nil:
			assert.Condition(t, func() bool {
				for _, reason := range stricter {
					if strings.Contains(refusal.Error(), reason) {
						return true
					}
				}
				return false
			}, "taken by IAM: %v", refusal)
		}
	})
}
