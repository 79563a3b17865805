package iamprovision

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"kube-aws-iam-controller/internal/awssim"
	"kube-aws-iam-controller/internal/identity"
	"kube-aws-iam-controller/internal/trust"
)

// stricterThanIAM are reasons to reject an annotation that IAM's grammar would
// accept.
var stricterThanIAM = []string{
	"the Version is missing", // IAM would default to 2008-10-17
	"takes none beyond U+00FF", "characters without white space", "bytes without white space", "not Unicode text",
}

// FuzzGrammar compares two independent implementations of IAM's grammar: an
// annotation is accepted if and only if simulated IAM accepts it.
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
	f.Fuzz(requireAgreement)
}

// requireAgreement requires that both implementations accept a text, or neither.
func requireAgreement(t *testing.T, text string) {
	t.Helper()
	policy, refusal := identity.ParsePolicy(text)
	_, failure := awssim.New(awssim.Options{}).AddUser(home, "user", false, strings.TrimSpace(text))
	switch {
	case refusal == nil && failure != nil:
		// Only it says whether the case of operators counts.
		assert.Contains(t, failure.Error(), "Invalid Condition type", "taken from an annotation: %s", text)
	case refusal == nil:
		_, failure = awssim.New(awssim.Options{}).AddUser(home, "user", false, policy)
		require.NoError(t, failure, "as it is sent: %s", text)
		assert.True(t, trust.Equivalent(identity.IdentityPolicy, text, policy), "it is itself: %s", text)
	case failure == nil:
		assert.True(t, slices.ContainsFunc(stricterThanIAM, func(reason string) bool { return strings.Contains(refusal.Error(), reason) }),
			"taken by IAM: %v: %s", refusal, text)
	}
}

func TestParsePolicyAgreesWithTheSimulator(t *testing.T) {
	for _, name := range []string{"crossplane", "tenant-by-tags", "external-secrets-ssm"} {
		text, err := os.ReadFile("../identity/testdata/policies/" + name + ".json")
		require.NoError(t, err)
		d := json.NewDecoder(bytes.NewReader(text))
		all := variants(decode(t, d))
		require.Greater(t, len(all), 100)
		for _, variant := range all {
			requireAgreement(t, render(t, variant))
		}
	}
}

// object is a JSON object with ordered and possibly duplicate keys.
type object []member

type member struct {
	key   string
	value any
}

func decode(t *testing.T, d *json.Decoder) any {
	t.Helper()
	token, err := d.Token()
	require.NoError(t, err)
	switch token {
	case json.Delim('{'):
		all := object{}
		for d.More() {
			key, failure := d.Token()
			require.NoError(t, failure)
			all = append(all, member{fmt.Sprint(key), decode(t, d)})
		}
		_, err = d.Token()
		require.NoError(t, err)
		return all
	case json.Delim('['):
		all := []any{}
		for d.More() {
			all = append(all, decode(t, d))
		}
		_, err = d.Token()
		require.NoError(t, err)
		return all
	}
	return token
}

func render(t *testing.T, value any) string {
	t.Helper()
	var parts []string
	switch value := value.(type) {
	case object:
		for _, m := range value {
			parts = append(parts, render(t, m.key)+":"+render(t, m.value))
		}
		return "{" + strings.Join(parts, ",") + "}"
	case []any:
		for _, item := range value {
			parts = append(parts, render(t, item))
		}
		return "[" + strings.Join(parts, ",") + "]"
	}
	text, err := json.Marshal(value)
	require.NoError(t, err)
	return string(text)
}

// variants returns copies of a value with one change each, at every place.
func variants(value any) []any {
	all := []any{nil, true, 7, "", "x", "*", "a:b", []any{}, []any{"a:b"}, []any{[]any{"a:b"}}, object{}, object{{"a", "b"}}}
	switch value := value.(type) {
	case object:
		for i, m := range value {
			with := func(changed ...member) any { return slices.Replace(slices.Clone(value), i, i+1, changed...) }
			for _, variant := range variants(m.value) {
				all = append(all, with(member{m.key, variant}))
			}
			all = append(all, with(), with(m, m), with(member{strings.ToLower(m.key), m.value}), with(member{m.key + "s", m.value}),
				with(m, member{"Not" + m.key, m.value}), with(member{"", m.value}), with(m, member{"Principal", "*"}))
		}
	case []any:
		for i, item := range value {
			with := func(changed ...any) any { return slices.Replace(slices.Clone(value), i, i+1, changed...) }
			for _, variant := range variants(item) {
				all = append(all, with(variant))
			}
			all = append(all, with(), with(item, item))
		}
	}
	return all
}
