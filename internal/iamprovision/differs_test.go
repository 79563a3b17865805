package iamprovision

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
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
	ctx, cancel := context.WithTimeout(t.Context(), patient)
	defer cancel()
	begin := time.Now()
	_, err = p.Differs(ctx, desired(policyA), role.ID)
	require.ErrorContains(t, err, "wait for a turn at IAM")
	assert.GreaterOrEqual(t, time.Since(begin), patient, "who is in line is told at once that the turn comes too late")
}
