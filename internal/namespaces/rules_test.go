package namespaces

import (
	"regexp"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"kube-aws-iam-controller/internal/identity"
)

const account = "arn:aws:iam::123456789012:role/"

// at returns a role by name, path/name or ARN, resolved in account.
func at(tb testing.TB, role string) identity.RoleReference {
	tb.Helper()
	base, err := identity.ParseBaseRole(account)
	require.NoError(tb, err)
	parsed, err := identity.ParseRole(role)
	require.NoError(tb, err)
	resolved, err := parsed.Resolve(base)
	require.NoError(tb, err)
	return resolved
}

func TestRules(t *testing.T) {
	const other = "arn:aws:iam::210987654321:role/"
	tests := map[string]struct {
		globs, pattern string // "-" for no such annotation
		yes, no        []string
	}{
		"no rules": {"-", "-", []string{"app", "path/app", other + "app"}, nil},
		"names are looked up in the base account": {
			`["app"]`, "-", []string{"app", account + "app"}, []string{"app2", "path/app", other + "app"},
		},
		"a star is any characters, and none": {
			`["team-a-*"]`, "-", []string{"team-a-", "team-a-x"}, []string{"team-a", "team-b-x", "path/team-a-x", other + "team-a-x"},
		},
		"a star is slashes, too": {`["team-a/*"]`, "-", []string{"team-a/x", "team-a/b/x"}, []string{"team-ab/x", "x"}},
		"any of the globs":       {`["a","b"]`, "-", []string{"a", "b"}, []string{"c"}},
		"every role of the account": {
			`["*"]`, "-", []string{"a", "path/a"}, []string{other + "a"},
		},
		"every role there is":             {`["arn:*"]`, "-", []string{"a", other + "a"}, nil},
		"a role of another account":       {`["` + other + `app"]`, "-", []string{other + "app"}, []string{"app"}},
		"stars in between do not overlap": {`["a*ab*b"]`, "-", []string{"aabb", "axabxb"}, []string{"aab", "abb", "ab"}},
		"case tells":                      {`["app"]`, "-", nil, []string{"App"}},
		"a list of nothing":               {`[]`, "-", nil, []string{"app"}},
		"a question mark is itself":       {`["ap?"]`, "-", nil, []string{"app"}},

		"an expression is matched against the ARN": {
			"-", `arn:aws:iam::\d+:role/app.*`, []string{"app", "app/x", other + "app"}, []string{"x/app"},
		},
		"an expression is anchored":          {"-", `app`, nil, []string{"app"}},
		"alternatives are anchored as one":   {"-", account + "a|" + account + "b", []string{"a", "b"}, []string{"ab", "ba", "xb"}},
		"an expression that permits all":     {"-", ".*", []string{"a", other + "a"}, nil},
		"an empty expression":                {"-", "", nil, []string{"a"}},
		"lines cannot be smuggled in":        {"-", "(?m)^.*role/a$|^$", []string{"a"}, []string{"ab"}},
		"a role has to satisfy both":         {`["a","b"]`, account + "[bc]", []string{"b"}, []string{"a", "c"}},
		"a malformed rule permits nothing":   {`["a"]`, "(", nil, []string{"a"}},
		"a malformed list permits nothing":   {`a`, ".*", nil, []string{"a"}},
		"the anchor cannot be broken out of": {"-", "a)|(?:.*", nil, []string{"a"}},
		"nor quoted away":                    {"-", `.*\Q`, nil, []string{"a"}},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			annotations := map[string]string{}
			for key, value := range map[string]string{AllowedRoles: tc.globs, Permitted: tc.pattern} {
				if value != "-" {
					annotations[key] = value
				}
			}
			rules, _ := ParseRules(annotations)
			base, err := identity.ParseBaseRole(account)
			require.NoError(t, err)
			for _, role := range tc.yes {
				assert.Empty(t, rules.Refusing(at(t, role), base), role)
			}
			for _, role := range tc.no {
				assert.NotEmpty(t, rules.Refusing(at(t, role), base), role)
			}
		})
	}
}

func TestMalformedRulesAreNamed(t *testing.T) {
	for value, says := range map[string]string{
		"":          `iam.amazonaws.com/allowed-roles: "" is not a JSON array of strings`,
		"app":       `"app" is not a JSON array`,
		"null":      "is not a JSON array",
		"[null]":    "is not a JSON array",
		`[1]`:       "is not a JSON array",
		`["a"] x`:   "is not a JSON array",
		`{"a":"b"}`: "is not a JSON array",
		`"a"`:       "is not a JSON array",
		`["` + strings.Repeat("a", 70_000) + `"]`: "is too long",
	} {
		_, err := ParseRules(map[string]string{AllowedRoles: value})
		require.ErrorContains(t, err, says)
		require.ErrorContains(t, err, "may use no role")
		assert.Less(t, len(err.Error()), 500)
	}
	for value, says := range map[string]string{
		"(":                       `iam.amazonaws.com/permitted: "(" is not a regular expression: missing closing )`,
		"a)|(?:b":                 "unexpected )",
		"(?<=a)b":                 "is not a regular expression",
		"((a{900}){900})":         "invalid repeat count",
		"\xff":                    "invalid UTF-8",
		strings.Repeat("a", 5000): "is too long",
	} {
		_, err := ParseRules(map[string]string{Permitted: value})
		require.ErrorContains(t, err, says)
		assert.Less(t, len(err.Error()), 500)
	}
}

func TestTheRuleThatRefusesIsNamed(t *testing.T) {
	rules, err := ParseRules(map[string]string{AllowedRoles: `["a"]`, Permitted: ".*b"})
	require.NoError(t, err)
	base, _ := identity.ParseBaseRole(account)
	assert.Equal(t, `iam.amazonaws.com/permitted: .*b`, rules.Refusing(at(t, "a"), base))
	assert.Equal(t, `iam.amazonaws.com/allowed-roles: ["a"]`, rules.Refusing(at(t, "b"), base))
}

func FuzzParseRules(f *testing.F) {
	for _, seed := range [][2]string{
		{`["a","b*"]`, ".*"}, {`[]`, ""}, {"", "("}, {`["*a*b*"]`, "(?i)ROLE"}, {`["arn:*"]`, `a)|(?:b`}, {`[null]`, `\Q`},
	} {
		f.Add(seed[0], seed[1], "app")
	}
	base, err := identity.ParseBaseRole(account)
	require.NoError(f, err)
	f.Fuzz(func(t *testing.T, globs, pattern, name string) {
		both, err := ParseRules(map[string]string{AllowedRoles: globs, Permitted: pattern})
		ref, failed := identity.ParseRole(name)
		if failed != nil {
			return
		}
		role, failed := ref.Resolve(base)
		if failed != nil {
			return
		}
		allowed := both.Refusing(role, base) == ""
		assert.False(t, allowed && err != nil, "what is malformed permits nothing")
		for _, one := range []map[string]string{{AllowedRoles: globs}, {Permitted: pattern}} {
			rules, _ := ParseRules(one)
			if allowed {
				assert.Empty(t, rules.Refusing(role, base), "both have to permit")
			}
		}
	})
}

// A glob means what a regular expression says in which only the stars are not taken by the letter.
func FuzzGlobs(f *testing.F) {
	f.Add("app", "app")
	f.Add("a*b*c", "a-b-c")
	f.Add("*aa*aa*", "aaa")
	f.Add("a*a", "a")
	f.Add("**", "")
	f.Fuzz(func(t *testing.T, glob, text string) {
		pattern, err := regexp.Compile("(?s)^" + strings.ReplaceAll(regexp.QuoteMeta(glob), `\*`, ".*") + "$")
		if err != nil || !utf8.ValidString(text) {
			return
		}
		assert.Equal(t, pattern.MatchString(text), matches(glob, text), "%q of %q", text, glob)
	})
}
