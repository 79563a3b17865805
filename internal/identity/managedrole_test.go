package identity

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

const allow = `{"Effect":"Allow","Action":"s3:GetObject","Resource":"*"}`

func TestParsePolicy(t *testing.T) {
	for name, tc := range map[string]struct{ text, want, err string }{
		"a list":            {text: `{"Version":"2012-10-17","Statement":[` + allow + `]}`, want: `{"Version":"2012-10-17","Statement":[` + allow + `]}`},
		"one statement":     {text: `{"Version":"2012-10-17","Statement":` + allow + `}`, want: `{"Version":"2012-10-17","Statement":` + allow + `}`},
		"white space":       {text: " {\n \"Version\" : \"2008-10-17\",\t\"Statement\":[" + allow + "] }\n", want: `{"Version":"2008-10-17","Statement":[` + allow + `]}`},
		"conditions":        {text: `{"Version":"2012-10-17","Id":"x","Statement":[{"Sid":"y","Effect":"Deny","NotAction":["a:B"],"NotResource":["*"],"Condition":{"Null":{"a":"true"}}}]}`, want: `{"Version":"2012-10-17","Id":"x","Statement":[{"Sid":"y","Effect":"Deny","NotAction":["a:B"],"NotResource":["*"],"Condition":{"Null":{"a":"true"}}}]}`},
		"nothing":           {err: `"" is not JSON`},
		"no JSON":           {text: "Allow", err: `"Allow" is not JSON: line 1, column 1: invalid character 'A'`},
		"control character": {text: "{\x00}", err: "is not JSON"},
		"a list only":       {text: "[]", err: `"[]" is not a policy`},
		"a number":          {text: "1", err: `"1" is not a policy`},
		"no version":        {text: `{"Statement":[` + allow + `]}`, err: `the Version is missing: give 2012-10-17`},
		"wrong version":     {text: `{"Version":"2020-01-01","Statement":[` + allow + `]}`, err: `the Version is "2020-01-01"`},
		"no statement":      {text: `{"Version":"2012-10-17"}`, err: "no statement"},
		"empty statement":   {text: `{"Version":"2012-10-17","Statement":[]}`, err: "no statement"},
		"odd statement":     {text: `{"Version":"2012-10-17","Statement":"Allow"}`, err: "no statement"},
		"no effect":         {text: `{"Version":"2012-10-17","Statement":[` + allow + `,{"Action":"*","Resource":"*"}]}`, err: `statement 2 has no Effect: give Allow or Deny`},
		"two actions":       {text: `{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"*","NotAction":"*","Resource":"*"}}`, err: "statement 1 needs either Action or NotAction"},
		"no resource":       {text: `{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"*"}}`, err: "statement 1 needs either Resource or NotResource"},
		"a principal":       {text: `{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"*","Resource":"*","Principal":"*"}}`, err: "statement 1 has a Principal"},
		"beyond U+00FF":     {text: `{"Version":"2012-10-17","Statement":{"Sid":"日","Effect":"Allow","Action":"*","Resource":"*"}}`, err: `the character "日"`},
		"too long":          {text: `{"Version":"2012-10-17","Statement":{"Sid":"` + strings.Repeat("x", 10_240) + `","Effect":"Allow","Action":"*","Resource":"*"}}`, err: "characters without white space, and IAM takes 10240"},
		"deep nesting":      {text: strings.Repeat("[", 200_000), err: "is not JSON"},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := ParsePolicy(tc.text)
			if tc.err != "" {
				require.ErrorContains(t, err, tc.err)
				assert.Less(t, len(err.Error()), 500)
				assert.NotContains(t, err.Error(), "\n")
				return
			}
			require.NoError(t, err)
			assert.Equal(t, tc.want, got)
		})
	}
}

func TestParsePolicyAcceptsTheMaximumSize(t *testing.T) {
	head, tail := `{"Version":"2012-10-17","Statement":{"Sid":"`, `","Effect":"Allow","Action":"*","Resource":"*"}}`
	text := head + strings.Repeat("x", maxPolicy-len(head)-len(tail)) + tail
	_, err := ParsePolicy(strings.ReplaceAll(text, ",", ",   \n"))
	require.NoError(t, err)
	_, err = ParsePolicy(strings.Replace(text, "x", "xx", 1))
	require.ErrorContains(t, err, "10241 characters")
}

func TestParseManagedPolicies(t *testing.T) {
	many := func(n int) string {
		var all []string
		for i := range n {
			all = append(all, "arn:aws:iam::123456789012:policy/p"+string(rune('a'+i)))
		}
		return strings.Join(all, ",")
	}
	for name, tc := range map[string]struct {
		text string
		want []string
		err  string
	}{
		"one":             {text: "arn:aws:iam::aws:policy/ReadOnlyAccess", want: []string{"arn:aws:iam::aws:policy/ReadOnlyAccess"}},
		"spaces and path": {text: " arn:aws-cn:iam::123456789012:policy/a/b/c , arn:aws:iam::aws:policy/job-function/X ", want: []string{"arn:aws-cn:iam::123456789012:policy/a/b/c", "arn:aws:iam::aws:policy/job-function/X"}},
		"twice":           {text: "arn:aws:iam::aws:policy/X,arn:aws:iam::aws:policy/X", want: []string{"arn:aws:iam::aws:policy/X"}},
		"empty":           {text: "", err: `"" is not the ARN of a managed policy`},
		"only a comma":    {text: ",", err: `"" is not the ARN of a managed policy`},
		"a comma":         {text: " arn:aws:iam::aws:policy/X,\n", want: []string{"arn:aws:iam::aws:policy/X"}},
		"a comma between": {text: "arn:aws:iam::aws:policy/X,\n\tarn:aws:iam::aws:policy/Y ,", want: []string{"arn:aws:iam::aws:policy/X", "arn:aws:iam::aws:policy/Y"}},
		"two commas":      {text: "arn:aws:iam::aws:policy/X,,arn:aws:iam::aws:policy/Y", err: `"" is not the ARN of a managed policy`},
		"eleven digits":   {text: "arn:aws:iam::12345678901:policy/x", err: `the account 12345678901 has 11 digits and account IDs have 12, including leading zeros`},
		"a name":          {text: "ReadOnlyAccess", err: `"ReadOnlyAccess" is not the ARN`},
		"a role":          {text: "arn:aws:iam::123456789012:role/x", err: "is not the ARN of a managed policy"},
		"too many":        {text: many(26), err: "more than 25 managed policies"},
		"far too many":    {text: strings.Repeat("arn:aws:iam::aws:policy/X,", 50_000), err: "more than 25 managed policies"},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := ParseManagedPolicies(tc.text)
			if tc.err != "" {
				require.ErrorContains(t, err, tc.err)
				return
			}
			require.NoError(t, err)
			assert.Equal(t, tc.want, got)
		})
	}
	got, err := ParseManagedPolicies(many(25))
	require.NoError(t, err)
	assert.Len(t, got, 25)
}

func TestManagedRoleIsPartOfTheSpecHash(t *testing.T) {
	base := Desired{UID: "u", ExternalID: "ns/c", SessionDuration: MinSession, Managed: &ManagedRole{Policy: "{}"}}
	seen := map[string]bool{base.SpecHash(): true}
	for name, change := range map[string]func(*Desired){
		"policy":   func(d *Desired) { d.Managed = &ManagedRole{Policy: "{} "} },
		"managed":  func(d *Desired) { d.Managed = &ManagedRole{Policy: "{}", ManagedPolicies: []string{"a"}} },
		"none":     func(d *Desired) { d.Managed = nil },
		"uid":      func(d *Desired) { d.UID = "v" },
		"external": func(d *Desired) { d.ExternalID = "ns/d" },
		"session":  func(d *Desired) { d.SessionDuration++ },
	} {
		d := base
		change(&d)
		assert.False(t, seen[d.SpecHash()], name)
		seen[d.SpecHash()] = true
	}
	same := base
	same.Role, same.RoleID = RoleReference{Name: "x"}, "AROA"
	assert.Equal(t, base.SpecHash(), same.SpecHash(), "what AWS made of it is not")
	assert.Nil(t, base.LastGood(RoleReference{}, MinSession, "", "h").Managed)
}

// published returns policies that well-known controllers document for themselves.
func published(tb testing.TB) map[string]string {
	tb.Helper()
	paths, err := filepath.Glob("testdata/policies/*.json")
	require.NoError(tb, err)
	require.GreaterOrEqual(tb, len(paths), 20)
	texts := map[string]string{}
	for _, path := range paths {
		text, err := os.ReadFile(path)
		require.NoError(tb, err)
		texts[filepath.Base(path)] = string(text)
	}
	return texts
}

func TestParsePolicyAcceptsPublishedPolicies(t *testing.T) {
	for name, text := range published(t) {
		got, err := ParsePolicy(text)
		require.NoError(t, err, name)
		assert.JSONEq(t, text, got, name)
		again, err := ParsePolicy(got)
		require.NoError(t, err, name)
		assert.Equal(t, got, again, name)
	}
}

func FuzzParsePolicy(f *testing.F) {
	for _, text := range published(f) {
		f.Add(text)
	}
	f.Add(`{"Version":"2012-10-17","Statement":[` + allow + `]}`)
	f.Add(`{"Version":"2012-10-17","Statement":{"Effect":"Deny","NotAction":[],"NotResource":null}}`)
	f.Add(one(`,"Sid":"a","NotAction":["s3:*"],"Condition":{"ForAnyValue:StringLike":{"a:b":["c",1,true]}}`))
	f.Add("{\"Version\":\n,}")
	f.Fuzz(func(t *testing.T, text string) {
		got, err := ParsePolicy(text)
		if err != nil {
			assert.NotContains(t, err.Error(), "\n")
			assert.Less(t, len(err.Error()), 1000)
			return
		}
		assert.True(t, json.Valid([]byte(got)))
		again, err := ParsePolicy(got)
		require.NoError(t, err)
		assert.Equal(t, got, again)
		limit, err := ParseSessionPolicy(text)
		assert.Equal(t, utf8.RuneCountInString(got) <= maxSessionPolicy, err == nil, "the same grammar, and a limit of its own")
		assert.Contains(t, []string{"", got}, limit)
		normal, err := NormalizePolicy(got, IdentityPolicy)
		require.NoError(t, err)
		again, err = NormalizePolicy(normal, IdentityPolicy)
		require.NoError(t, err, "what is normal is a policy")
		assert.Equal(t, normal, again)
	})
}
