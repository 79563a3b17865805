package namespaces

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"kube-aws-iam-controller/internal/api"
	"kube-aws-iam-controller/internal/identity"
)

// newManagingSource returns a Source with the namespace ns, in which the managed
// role of a ServiceAccount is made-<name>.
func newManagingSource(t *testing.T, restrict bool, annotations map[string]string) *Source {
	t.Helper()
	s, i, _ := newSource()
	s.Restrict = restrict
	s.Managed = func(_ context.Context, key identity.Key) (identity.RoleReference, error) {
		return at(t, "made-"+key.Name), nil
	}
	require.NoError(t, i.store.Add(transformed(t, annotations)))
	return s
}

func permitRole(t *testing.T, s *Source, key identity.Key, role string) error {
	t.Helper()
	return s.Permit(t.Context(), key, func(context.Context) (identity.RoleReference, error) { return at(t, role), nil })
}

func TestManagedRolesAnnotation(t *testing.T) {
	for name, tc := range map[string]struct {
		restrict    bool
		annotations map[string]string
		// says is why the managed role is denied, "" if it is not; other is the same for an existing role.
		says, other string
	}{
		"nothing":                         {false, nil, "", ""},
		"nothing, under restrictions":     {true, nil, "neither", "neither"},
		"true":                            {false, map[string]string{api.ManagedRolesAnnotation: "true"}, "", ""},
		"true, under restrictions":        {true, map[string]string{api.ManagedRolesAnnotation: "true"}, "", "neither"},
		"true, beside others":             {true, map[string]string{api.ManagedRolesAnnotation: "true", api.AllowedRolesAnnotation: `["app"]`}, "", ""},
		"true, beside none":               {false, map[string]string{api.ManagedRolesAnnotation: "true", api.AllowedRolesAnnotation: `[]`}, "", "does not include it"},
		"true, beside a malformed one":    {false, map[string]string{api.ManagedRolesAnnotation: "true", api.PermittedAnnotation: `(`}, "", "not a regular expression"},
		"false":                           {false, map[string]string{api.ManagedRolesAnnotation: "false"}, "does not permit them", ""},
		"false, although others would do": {true, map[string]string{api.ManagedRolesAnnotation: "false", api.AllowedRolesAnnotation: `["*"]`}, "does not permit them", ""},
		"false, under restrictions":       {true, map[string]string{api.ManagedRolesAnnotation: "false"}, "does not permit them", "neither"},
		"neither":                         {false, map[string]string{api.ManagedRolesAnnotation: "True"}, "does not permit them", ""},
		"nothing at all":                  {false, map[string]string{api.ManagedRolesAnnotation: ""}, "does not permit them", ""},
	} {
		t.Run(name, func(t *testing.T) {
			s := newManagingSource(t, tc.restrict, tc.annotations)
			for role, says := range map[string]string{"made-app": tc.says, "app": tc.other} {
				err := permitRole(t, s, ofAccount, role)
				if says == "" {
					require.NoError(t, err, role)
					continue
				}
				var invalid *identity.InvalidError
				require.ErrorAs(t, err, &invalid, role)
				assert.Equal(t, api.RoleNotPermitted, invalid.Reason)
				assert.Contains(t, invalid.Message, says)
				value := tc.annotations[api.ManagedRolesAnnotation]
				assert.Equal(t, role == "made-app" && says == "does not permit them" && value != "false" || strings.Contains(says, "not a regular"), invalid.RuleMalformed)
			}
		})
	}
}

func TestManagedRolesAnnotationCoversTheObjectsOwnRoleOnly(t *testing.T) {
	s := newManagingSource(t, true, map[string]string{api.ManagedRolesAnnotation: "true"})
	require.Error(t, permitRole(t, s, ofAccount, "made-other"), "another ServiceAccount's")
	require.Error(t, permitRole(t, s, ofRole, "made-app"), "an AWSIAMRole has none made")
	other := at(t, "made-app")
	other.Account = "999999999999"
	require.Error(t, s.Permit(t.Context(), ofAccount, func(context.Context) (identity.RoleReference, error) { return other, nil }), "another account's")

	lost := errors.New("STS is away")
	s.Managed = func(context.Context, identity.Key) (identity.RoleReference, error) {
		return identity.RoleReference{}, lost
	}
	require.ErrorIs(t, permitRole(t, s, ofAccount, "made-app"), lost, "what is not known takes nothing away")
}

func TestMalformedManagedRolesAnnotationIsReported(t *testing.T) {
	r := parseNamespace(&namespace(map[string]string{api.ManagedRolesAnnotation: "yes" + strings.Repeat("!", 100_000)}).ObjectMeta)
	assert.Contains(t, r.malformed, `neither "true" nor "false"`)
	assert.Contains(t, r.malformed, api.ManagedRolesAnnotation)
	assert.Less(t, len(r.malformed), 1000)
	assert.Empty(t, parseNamespace(&namespace(map[string]string{api.ManagedRolesAnnotation: "false"}).ObjectMeta).malformed)
	unknown := parseNamespace(&namespace(map[string]string{api.ManagedRolesAnnotation[:len(api.ManagedRolesAnnotation)-1]: "false"}).ObjectMeta)
	assert.Contains(t, describeUnknown(unknown.unknown), "did you mean "+api.ManagedRolesAnnotation+"?")
}
