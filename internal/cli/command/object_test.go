package command

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"kube-aws-iam-controller/internal/identity"
)

func TestTheObjectThatRequestsTheControllersRoleIsNamedAsForKubectl(t *testing.T) {
	for object, want := range map[string]identity.Key{
		"sa/a":           {Source: identity.ServiceAccount, Name: "a"},
		"AWSIAMRole/b.c": {Source: identity.AWSIAMRole, Name: "b.c"},
	} {
		got, err := ParseObject(object)
		require.NoError(t, err)
		assert.Equal(t, want, got)
	}
	for _, object := range []string{"deployment/a", "a", "sa/A", "sa/", "/", "sa/a/b"} {
		_, err := ParseObject(object)
		assert.ErrorContains(t, err, `"`+object+`": give serviceaccount/NAME or awsiamrole/NAME`)
	}
}
