package iamprovision

import (
	"context"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"kube-aws-iam-controller/internal/awssim"
	"kube-aws-iam-controller/internal/identity"
)

func TestDiffersMakesAsManyRequestsAsAreCountedForIt(t *testing.T) {
	w := newWorld(t)
	p := w.provisioner()
	role := w.ensure(p, desired(policyA, w.managed), "")
	seen := len(w.Calls())
	_, err := p.Differs(t.Context(), desired(policyA, w.managed), role.ID)
	require.NoError(t, err)
	assert.Equal(t, []string{"GetRole", "ListAttachedRolePolicies", "ListRolePolicies", "GetRolePolicy"}, w.calls(&seen))
	assert.Equal(t, 4, DiffersCalls)
}

func TestRequestsOfDiffersLetOthersGoFirst(t *testing.T) {
	w := newWorld(t)
	role := w.ensure(w.provisioner(), desired(policyA), "")
	p := w.provisioner(func(o *Options) { o.QPS = 1e-9 })
	assert.False(t, p.Busy())
	_, err := p.get(t.Context(), role.ARN.Name)
	require.NoError(t, err)
	assert.True(t, p.Busy(), "the next turn is in thirty years")

	const patient = 300 * time.Millisecond
	begin := time.Now() // before the deadline is set: what is measured is at least as long
	ctx, cancel := context.WithTimeout(t.Context(), patient)
	defer cancel()
	_, err = p.Differs(ctx, desired(policyA), role.ID)
	require.ErrorContains(t, err, "wait for a turn at IAM")
	assert.GreaterOrEqual(t, time.Since(begin), patient, "who is in line is told at once that the turn comes too late")
}

func TestDiffersTellsWhenTheRoleWasLastUsed(t *testing.T) {
	w := newWorld(t)
	p := w.provisioner()
	role := w.ensure(p, desired(policyA), "")
	assert.Zero(t, role.Used, "nobody was asked")
	used := func() identity.RoleUse {
		looked, err := p.Differs(t.Context(), desired(policyA), role.ID)
		require.NoError(t, err)
		assert.Equal(t, role.ID, looked.ID)
		return looked.Used
	}
	assert.Equal(t, identity.RoleUse{Known: true}, used(), "never")

	creds, err := w.RoleCredentials(home, role.ARN.Name, ns+"."+name, time.Hour)
	require.NoError(t, err)
	begin := time.Now().Truncate(time.Second)
	_, err = sts.NewFromConfig(w.config(creds)).GetCallerIdentity(t.Context(), &sts.GetCallerIdentityInput{})
	require.NoError(t, err)
	assert.Equal(t, identity.RoleUse{Known: true}, used(), "IAM shows it hours later")
	w.Set(awssim.Settings{LastUsedLag: new(awssim.Duration(0))})
	assert.WithinRange(t, used().At, begin, time.Now())
	assert.Equal(t, used(), w.ensure(p, desired(policyA), role.ID).Used, "whoever reads the role is told")
}
