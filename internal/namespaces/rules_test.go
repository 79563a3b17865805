package namespaces

import (
	"regexp"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"kube-aws-iam-controller/internal/api"
	"kube-aws-iam-controller/internal/identity"
)

const account = "arn:aws:iam::123456789012:role/"

// at returns a role given by name, path/name or ARN, resolved in account.
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

		"white space around a list":        {"\u00a0[\"app\"]\r\n", "-", []string{"app"}, []string{"b"}},
		"white space around a glob":        {`[" app\n"]`, "-", []string{"app"}, []string{"b"}},
		"a slash in front":                 {`["/team-a/*"]`, "-", []string{"team-a/x"}, []string{"x", "team-b/x"}},
		"white space around an expression": {"-", account + "app\n", []string{"app"}, []string{"b"}},

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
			for key, value := range map[string]string{api.AllowedRolesAnnotation: tc.globs, api.PermittedAnnotation: tc.pattern} {
				if value != "-" {
					annotations[key] = value
				}
			}
			rules, _ := ParseRules(annotations)
			base, err := identity.ParseBaseRole(account)
			require.NoError(t, err)
			for _, role := range tc.yes {
				assert.Empty(t, violation(rules, at(t, role), base), role)
			}
			for _, role := range tc.no {
				assert.NotEmpty(t, violation(rules, at(t, role), base), role)
			}
		})
	}
}

func TestMalformedRulesNameTheRemedy(t *testing.T) {
	const generic = `write role names and ARNs, with * for any characters, such as ["app", "team-a/*"]`
	for value, says := range map[string]string{
		"[demo-app]":           `iam.amazonaws.com/allowed-roles: "[demo-app]" is not JSON, so it permits nothing: write ["demo-app"]. Until it is corrected, objects in this namespace keep the credentials that they have, and are given none for other roles`,
		"":                     `"" is not JSON, so it permits nothing: ` + generic,
		"app":                  `"app" is not JSON, so it permits nothing: write ["app"].`,
		"not json":             `"not json" is not JSON, so it permits nothing: ` + generic,
		"a, team-a/*":          `is not JSON, so it permits nothing: write ["a","team-a/*"].`,
		"['a', \"b\",]":        `is not JSON, so it permits nothing: write ["a","b"].`,
		"- a\n- b\n":           `is not JSON, so it permits nothing: write ["a","b"].`,
		"[“app”]":              `is not JSON, so it permits nothing: write ["app"].`,
		"[" + account + "app]": `is not JSON, so it permits nothing: write ["arn:aws:iam::123456789012:role/app"].`,
		"null":                 `is JSON, but not an array of strings, so it permits nothing: ` + generic,
		"[null]":               `is JSON, but not an array of strings, so it permits nothing: ` + generic,
		`[1, true]`:            `is JSON, but not an array of strings, so it permits nothing: write ["1","true"]`,
		`["a"] x y(z)`:         `is not JSON, so it permits nothing: ` + generic,
		`{"a":"b"}`:            `is JSON, but not an array of strings, so it permits nothing: ` + generic,
		`"a"`:                  `is JSON, but not an array of strings, so it permits nothing: write ["a"].`,
		`["` + strings.Repeat("a", 70_000) + `"]`: "is too long, so it permits nothing: write at most 65536 bytes",
		`[` + strings.Repeat("a", 7_000) + `]`:    generic,
	} {
		_, err := ParseRules(map[string]string{api.AllowedRolesAnnotation: value})
		require.ErrorContains(t, err, says)
		require.ErrorContains(t, err, "are given none for other roles")
		assert.Less(t, len(err.Error()), 500)
	}
	for value, says := range map[string]string{
		"(":                       `iam.amazonaws.com/permitted: "(" is not a regular expression (missing closing )), so it permits nothing: write one that matches whole role ARNs, such as .*/app, see `,
		"*demo-app":               `"*demo-app" is not a regular expression (missing argument to repetition operator), so it permits nothing: in a regular expression .* stands for any characters: write .*demo-app`,
		"[demo-app]":              `is not a regular expression (invalid character class range), so it permits nothing: write one expression, or put the list into iam.amazonaws.com/allowed-roles`,
		"a)|(?:b":                 "unexpected )",
		"(?<=a)b":                 "is not a regular expression",
		"((a{900}){900})":         "invalid repeat count",
		"\xff":                    "invalid UTF-8",
		strings.Repeat("a", 5000): "is too long, so it permits nothing: write at most 4096 bytes",
	} {
		_, err := ParseRules(map[string]string{api.PermittedAnnotation: value})
		require.ErrorContains(t, err, says)
		assert.Less(t, len(err.Error()), 500)
	}
}

func TestViolationNamesRuleReasonAndRemedy(t *testing.T) {
	const do = "Use a role that is permitted, or have whoever administers the namespace "
	tests := map[string]struct{ annotation, value, role, want string }{
		"a list without the role": {api.AllowedRolesAnnotation, `["a"]`, "team/app", `["a"] does not include it. ` + do + `add "team/app"`},
		"a list of names, and a role of another account": {
			api.AllowedRolesAnnotation, `["app"]`, "arn:aws:iam::210987654321:role/app",
			`["app"] does not include it: entries that do not begin with arn: refer to roles below arn:aws:iam::123456789012:role/. ` + do + `add "arn:aws:iam::210987654321:role/app"`,
		},
		"a malformed list": {api.AllowedRolesAnnotation, `[app]`, "app", `"[app]" is not JSON, so it permits nothing: write ["app"]`},
		"a name for an expression": {
			api.PermittedAnnotation, "demo-app", "demo-app", `demo-app has to match the whole ARN, and matches only "demo-app" of it. ` + do + `write .*/demo-app`,
		},
		"the end of a name": {api.PermittedAnnotation, "-app", "demo-app", `-app has to match the whole ARN, and matches only "-app" of it. ` + do + `write .*-app`},
		"the begin of an ARN": {
			api.PermittedAnnotation, "arn:aws:iam::123456789012:role/de", "demo-app",
			`arn:aws:iam::123456789012:role/de has to match the whole ARN, and matches only "arn:aws:iam::123456789012:role/de" of it. ` + do + `write arn:aws:iam::123456789012:role/de.*`,
		},
		"the middle":           {api.PermittedAnnotation, "demo|test", "demo-app", `demo|test has to match the whole ARN, and matches only "demo" of it. ` + do + `write .*/(?:demo|test).*`},
		"another role":         {api.PermittedAnnotation, ".*/other", "app", `.*/other does not match the ARN. ` + do + `make it match, such as .*/other|arn:aws:iam::123456789012:role/app`},
		"one that is anchored": {api.PermittedAnnotation, "^app$", "app", `^app$ does not match the ARN. ` + do + `make it match, such as ^app$|arn:aws:iam::123456789012:role/app`},
		"nothing":              {api.PermittedAnnotation, "", "app", `"" does not match the ARN. ` + do + `make it match, such as arn:aws:iam::123456789012:role/app`},
		"a list":               {api.PermittedAnnotation, `["app"]`, "app", `["app"] is one regular expression, not a list, and does not match the ARN. ` + do + `put the list into iam.amazonaws.com/allowed-roles`},
	}
	base, err := identity.ParseBaseRole(account)
	require.NoError(t, err)
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			rules, _ := ParseRules(map[string]string{tc.annotation: tc.value})
			assert.Equal(t, tc.annotation+": "+tc.want, violation(rules, at(t, tc.role), base))
		})
	}
	rules, err := ParseRules(map[string]string{api.AllowedRolesAnnotation: `["a"]`, api.PermittedAnnotation: ".*b"})
	require.NoError(t, err)
	assert.Contains(t, violation(rules, at(t, "a"), base), api.PermittedAnnotation)
	assert.Contains(t, violation(rules, at(t, "b"), base), api.AllowedRolesAnnotation)
}

// The suggestion in a violation permits the role.
func TestSuggestedPatternPermitsTheRole(t *testing.T) {
	base, err := identity.ParseBaseRole(account)
	require.NoError(t, err)
	role := at(t, "team/demo-app")
	for _, value := range []string{"demo-app", "demo|team", "app", "team/demo-app", "(?i)DEMO", "role/.*", "arn:aws", "", "x", ".*b", "e.+a"} {
		rules, err := ParseRules(map[string]string{api.PermittedAnnotation: value})
		require.NoError(t, err)
		_, proposed, said := strings.Cut(violation(rules, role, base), "write ")
		if !said {
			_, proposed, said = strings.Cut(violation(rules, role, base), "such as ")
		}
		require.True(t, said, value)
		rules, err = ParseRules(map[string]string{api.PermittedAnnotation: proposed})
		require.NoError(t, err)
		assert.Empty(t, violation(rules, role, base), proposed)
	}
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
		both, err := ParseRules(map[string]string{api.AllowedRolesAnnotation: globs, api.PermittedAnnotation: pattern})
		ref, failed := identity.ParseRole(name)
		if failed != nil {
			return
		}
		role, failed := ref.Resolve(base)
		if failed != nil {
			return
		}
		allowed := violation(both, role, base) == ""
		assert.False(t, allowed && err != nil, "what is malformed permits nothing")
		for _, one := range []map[string]string{{api.AllowedRolesAnnotation: globs}, {api.PermittedAnnotation: pattern}} {
			rules, _ := ParseRules(one)
			if allowed {
				assert.Empty(t, violation(rules, role, base), "both have to permit")
			}
		}
	})
}

// A glob is equivalent to a regular expression in which everything but the stars is quoted.
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
		assert.Equal(t, pattern.MatchString(text), matchGlob(glob, text), "%q of %q", text, glob)
	})
}

// violation returns why rules do not permit a role.
func violation(rules Rules, role identity.RoleReference, base identity.BaseRole) string {
	why, _ := rules.Violation(role, base)
	return why
}

func TestMalformedRuleIsToldFromOneThatRefuses(t *testing.T) {
	for name, tc := range map[string]struct {
		roles, permitted string
		malformed        bool
	}{
		"malformed":                          {`[a]`, ".*", true},
		"malformed, after one that permits":  {`["*"]`, "(", true},
		"malformed, before one that refuses": {`[a]`, "nothing", false},
		"malformed, behind one that refuses": {`["b"]`, "(", false},
		"both malformed":                     {`[a]`, "(", true},
		"nothing malformed, and both refuse": {`["b"]`, "nothing", false},
		"nothing malformed, and both permit": {`["a"]`, ".*", false},
	} {
		t.Run(name, func(t *testing.T) {
			rules, _ := ParseRules(map[string]string{api.AllowedRolesAnnotation: tc.roles, api.PermittedAnnotation: tc.permitted})
			base, err := identity.ParseBaseRole(account)
			require.NoError(t, err)
			_, malformed := rules.Violation(at(t, "a"), base)
			assert.Equal(t, tc.malformed, malformed)
		})
	}
}
