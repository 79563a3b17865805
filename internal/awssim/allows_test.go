package awssim

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// allow returns a policy that allows all actions on a resource under a condition.
func allow(version, resource, condition string) string {
	return `{"Version":"` + version + `","Statement":[{"Effect":"Allow","Action":"*","Resource":"` + resource + `","Condition":{` + condition + `}}]}`
}

func TestPolicyVariablesAreSubstituted(t *testing.T) {
	const now, before, object = "2012-10-17", "2008-10-17", "arn:aws:s3:::b/a/x"
	w := newWorld(t, Options{})
	for name, c := range map[string]struct {
		policy       string
		resource     string
		values       map[string]string
		tagged, bare bool
	}{
		"in a resource": {allow(now, "arn:aws:s3:::b/${aws:PrincipalTag/team}/*", ""), object, nil, true, false},
		"in a resource, another value": {
			allow(now, "arn:aws:s3:::b/${aws:PrincipalTag/team}/*", ""), "arn:aws:s3:::b/ab/x", nil, false, false,
		},
		"with a default": {allow(now, "arn:aws:s3:::b/${aws:PrincipalTag/other, 'a'}/*", ""), object, nil, true, true},
		"unknown, without a default": {
			allow(now, "arn:aws:s3:::b/${aws:PrincipalTag/other}a/*", ""), object, nil, false, false,
		},
		"in a condition": {
			allow(now, "*", `"StringEquals":{"aws:ResourceTag/team":"${aws:PrincipalTag/team}"}`), object,
			map[string]string{"aws:ResourceTag/Team": "a"}, true, false,
		},
		"in a condition, on a resource without the tag": {
			allow(now, "*", `"StringEquals":{"aws:ResourceTag/team":"${aws:PrincipalTag/team}"}`), object, nil, false, false,
		},
		"in a policy version without variables": {allow(before, "arn:aws:s3:::b/${aws:PrincipalTag/team}/*", ""), object, nil, false, false},
		"literal, in a policy version without variables": {
			allow(before, "arn:aws:s3:::b/${aws:PrincipalTag/team}/*", ""), "arn:aws:s3:::b/${aws:PrincipalTag/team}/x", nil, true, true,
		},
	} {
		t.Run(name, func(t *testing.T) {
			boundary, err := w.AddManagedPolicy(home, "/", "boundary", c.policy)
			require.NoError(t, err)
			everything := map[string]string{"all": allow(now, "*", "")}
			w.add(RoleSpec{Name: "tagged", Tags: map[string]string{"Team": "a"}, Policies: everything, Boundary: boundary})
			w.add(RoleSpec{Name: "bare", Policies: everything, Boundary: boundary})
			for role, want := range map[string]bool{"tagged": c.tagged, "bare": c.bare} {
				may, err := w.Allows(w.session(role).AccessKeyID, "s3:GetObject", c.resource, c.values)
				require.NoError(t, err)
				assert.Equal(t, want, may, role)
			}
		})
	}
}

func TestAllowsRejectsPrincipalKeysAndUnknownAccessKeys(t *testing.T) {
	w := newWorld(t, Options{})
	w.add(RoleSpec{Name: "r"})
	key := w.session("r").AccessKeyID
	for _, name := range []string{"aws:PrincipalTag/team", "AWS:principalarn"} {
		_, err := w.Allows(key, "s3:GetObject", "*", map[string]string{name: "a"})
		require.ErrorContains(t, err, "the caller's own")
	}
	_, err := w.Allows("ASIANONE", "s3:GetObject", "*", nil)
	require.ErrorContains(t, err, "there is no access key ASIANONE")
	may, err := w.Allows(key, "s3:GetObject", "*", nil)
	require.NoError(t, err)
	assert.False(t, may, "a role without policies has no permissions")
}
