package iamprovision

import (
	"fmt"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"kube-aws-iam-controller/internal/awssim"
)

func TestTombstones(t *testing.T) {
	var d tombstones
	now := time.Unix(0, 0)
	assert.False(t, d.has("AROA0"))
	for i := range 100 {
		d.add(fmt.Sprintf("AROA%d", i), now)
		now = now.Add(time.Minute)
	}
	assert.True(t, d.has("AROA99"))
	assert.True(t, d.has("AROA90"), "IAM may still show it")
	assert.False(t, d.has("AROA0"))
	assert.Len(t, d.deletedAt, 11)
}

func TestListOmitsDeletedRolesThatIAMStillShows(t *testing.T) {
	w := newWorld(t)
	p := w.provisioner(withLimit(1))
	role := w.ensure(p, desired(policyA), "")
	w.late = time.Minute
	w.Set(awssim.Settings{Propagation: new(awssim.Duration(8 * time.Second))})
	_, err := p.Delete(t.Context(), app, role.ID)
	require.NoError(t, err)
	shown, err := w.admin.ListRoles(t.Context(), &iam.ListRolesInput{PathPrefix: &p.Path})
	require.NoError(t, err)
	require.Len(t, shown.Roles, 1)
	roles, err := p.list(t.Context())
	require.NoError(t, err)
	assert.Empty(t, roles)
}
