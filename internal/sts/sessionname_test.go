package sts

import (
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"k8s.io/apimachinery/pkg/util/validation"

	"kube-aws-iam-controller/internal/identity"
)

// validSessionName is what STS accepts as a session name.
var validSessionName = regexp.MustCompile(`^[\w+=,.@-]{2,64}$`)

func forAccount(namespace, name string) identity.Desired {
	return identity.Desired{Key: identity.Key{Source: identity.ServiceAccount, Namespace: namespace, Name: name}}
}

func TestRoleSessionName(t *testing.T) {
	long := func(letter string) string { return strings.Repeat(letter, 64) }
	tests := map[string]struct{ path, name, want string }{
		"a name":                                       {"", "app", "123456789012.app"},
		"a path":                                       {"team/sub/", "app", "123456789012.team.sub.app"},
		"every allowed character":                      {"", "a_B+9=x,y.z@w-v", "123456789012.a_B+9=x,y.z@w-v"},
		"a colon in the path":                          {"a:b/", "app", "123456789012.a_b.app"},
		"anything else that a path may have":           {"a!~b*/", "app", "123456789012.a__b_.app"},
		"letters beyond ASCII":                         {"größe/", "rôle", "123456789012.gr__e.r_le"},
		"half a letter":                                {"\xc3/", "app", "123456789012._.app"},
		"the name gives way":                           {"", long("a"), "123456789012." + long("a")[:51]},
		"the name is kept longer than its path":        {"path/", long("a"), "123456789012.p." + long("a")[:49]},
		"the last level is kept longer than the first": {long("a") + "/" + long("b") + "/", "app", "123456789012.a." + long("b")[:45] + ".app"},
		"64 characters fit as they are":                {"path/", long("a")[:46], "123456789012.path." + long("a")[:46]},
		"one character for each level is the least":    {strings.Repeat("path/", 25), "name", "123456789012" + strings.Repeat(".p", 25) + ".n"},
		"no room for the path":                         {strings.Repeat("p/", 26), "name", "123456789012.name"},
		"600 levels":                                   {strings.Repeat("p/", 600), long("a"), "123456789012." + long("a")[:51]},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			role := identity.RoleReference{Partition: "aws", Account: "123456789012", Path: tc.path, Name: tc.name}
			want := forAccount("ns", "app")
			want.Source = identity.AWSIAMRole
			got := SessionName(want, role)
			assert.Equal(t, tc.want, got)
			assert.Regexp(t, validSessionName, got)
		})
	}
}

func TestServiceAccountSessionName(t *testing.T) {
	tests := map[string]struct{ namespace, name, want string }{
		"as they are":           {"ns", "app", "ns.app"},
		"the shortest":          {"n", "a", "n.a"},
		"dots in the name":      {"ns", "app.v1", "ns.app.v1"},
		"64 characters fit":     {strings.Repeat("n", 31), strings.Repeat("a", 32), strings.Repeat("n", 31) + "." + strings.Repeat("a", 32)},
		"65 are cut and marked": {strings.Repeat("n", 31), strings.Repeat("a", 33), strings.Repeat("n", 31) + "." + strings.Repeat("a", 21) + "-ec1b4bbfbf"},
		"the longest there are": {strings.Repeat("n", 63), strings.Repeat("a", 253), strings.Repeat("n", 53) + "-54001513e8"},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			got := SessionName(forAccount(tc.namespace, tc.name), identity.RoleReference{Account: "123456789012", Name: "role"})
			assert.Equal(t, tc.want, got)
			assert.Regexp(t, validSessionName, got)
		})
	}
}

func TestLongServiceAccountSessionNamesAreUnique(t *testing.T) {
	beginning := strings.Repeat("a", 200)
	seen := map[string]string{}
	for _, account := range []struct{ namespace, name string }{
		{"ns", beginning},
		{"ns", beginning + "a"},
		{"ns", beginning + "b"},
		{"ns", beginning + ".a"},
		{strings.Repeat("n", 63), beginning},
		{strings.Repeat("n", 62), "n" + beginning},
		{strings.Repeat("n", 62) + "m", beginning},
	} {
		name := SessionName(forAccount(account.namespace, account.name), identity.RoleReference{})
		assert.Equal(t, name, SessionName(forAccount(account.namespace, account.name), identity.RoleReference{}), "the same every time")
		assert.Empty(t, seen[name])
		seen[name] = account.namespace + "/" + account.name
	}
}

func FuzzSessionName(f *testing.F) {
	f.Add("app", "ns", "app")
	f.Add("arn:aws-cn:iam::123456789012:role/a/b:c/app", strings.Repeat("n", 63), strings.Repeat("a", 253))
	f.Add(strings.Repeat("a/", 250)+"app", "n", "a")
	f.Add(strings.Repeat("a/", 25)+strings.Repeat("b", 64), "ns", "app.v1")
	f.Fuzz(func(t *testing.T, value, namespace, name string) {
		base := identity.BaseRole{Partition: "aws", Account: "123456789012"}
		if ref, err := identity.ParseRole(value); err == nil {
			if role, resolveErr := ref.Resolve(base); resolveErr == nil {
				assert.Regexp(t, validSessionName, SessionName(identity.Desired{}, role))
			}
		}
		// What never comes from ParseRole may look odd, but not crash.
		_ = SessionName(identity.Desired{}, identity.RoleReference{Account: "123456789012", Path: value, Name: name})
		if len(validation.IsDNS1123Label(namespace)) == 0 && len(validation.IsDNS1123Subdomain(name)) == 0 {
			assert.Regexp(t, validSessionName, SessionName(forAccount(namespace, name), identity.RoleReference{}))
		}
	})
}
