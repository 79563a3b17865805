package iamprovision

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"kube-aws-iam-controller/internal/awserr"
	"kube-aws-iam-controller/internal/awssim"
)

// mayReadBoundary lets the controller read its boundary.
func (w *world) mayReadBoundary() {
	w.t.Helper()
	w.put("hints", `{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":["iam:GetPolicy","iam:GetPolicyVersion"],"Resource":"`+w.boundary+`"}}`)
}

// expire makes what is known of the boundary too old.
func (p *Provisioner) expire() { p.boundary.readAt = p.boundary.readAt.Add(-boundaryAge) }

func TestBoundaryIsReadOnceForEachVersion(t *testing.T) {
	w := newWorld(t)
	w.mayReadBoundary()
	p := w.provisioner()
	seen := len(w.Calls())
	takes := func(version string, actions ...string) {
		t.Helper()
		for range 3 {
			boundary, err := p.ReadBoundary(t.Context())
			require.NoError(t, err)
			assert.Empty(t, boundary.TakenAway(policyA), version)
			assert.Len(t, boundary.TakenAway(policyB), 1, version)
		}
		assert.Equal(t, actions, w.calls(&seen), version)
	}
	takes("v1", "GetPolicy", "GetPolicyVersion")
	p.expire()
	takes("v1", "GetPolicy")
	_, err := w.AddManagedPolicy(home, "/", "boundary", policyB)
	require.NoError(t, err)
	p.expire()
	boundary, err := p.ReadBoundary(t.Context())
	require.NoError(t, err)
	assert.Len(t, boundary.TakenAway(policyA), 1)
	assert.Empty(t, boundary.TakenAway(policyB))
	assert.Equal(t, []string{"GetPolicy", "GetPolicyVersion"}, w.calls(&seen))
}

func TestBoundaryThatMayNotBeReadTakesNothingAway(t *testing.T) {
	w := newWorld(t) // with the shipped policy
	p := w.provisioner()
	seen := len(w.Calls())
	for range 3 {
		boundary, err := p.ReadBoundary(t.Context())
		assert.Equal(t, "AccessDenied", awserr.Code(err))
		assert.Empty(t, boundary.TakenAway(policyB))
	}
	assert.Equal(t, []string{"GetPolicy"}, w.calls(&seen), "it is not asked again and again")
	w.mayReadBoundary()
	p.expire()
	boundary, err := p.ReadBoundary(t.Context())
	require.NoError(t, err)
	assert.Len(t, boundary.TakenAway(policyB), 1)

	w.Set(awssim.Settings{Faults: &[]awssim.Fault{{Action: "GetPolicy", Code: "ServiceFailure", Status: 500}}})
	p.expire()
	boundary, err = p.ReadBoundary(t.Context())
	require.Error(t, err)
	assert.Nil(t, boundary, "it may have changed")
	assert.WithinDuration(t, time.Now(), p.boundary.readAt, time.Minute)
}

func TestNoBoundaryIsNotRead(t *testing.T) {
	w := newWorld(t)
	p := w.provisioner(func(o *Options) { o.Boundary, o.AllowWithoutBoundary = "", true })
	seen := len(w.Calls())
	boundary, err := p.ReadBoundary(t.Context())
	require.NoError(t, err)
	assert.Nil(t, boundary)
	assert.Empty(t, w.calls(&seen))
}
