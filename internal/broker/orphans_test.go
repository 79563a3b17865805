package broker

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"kube-aws-iam-controller/internal/api"
	"kube-aws-iam-controller/internal/identity"
)

// sweeping is a world in which an orphan of app's is found, once it is time to look.
func sweeping(t *testing.T) *world {
	t.Helper()
	w := asking(t)
	w.asked, w.swept = nil, []identity.Key{app}
	w.role = &identity.Role{ARN: own, ID: "AROA1", Since: time.Now()}
	time.Sleep(time.Hour)
	return w
}

// sweepOnce sweeps and returns what is to be synced.
func (w *world) sweepOnce() (found []identity.Key) {
	w.t.Helper()
	calls := w.calls
	w.calls, w.managed.SweepInterval = nil, time.Nanosecond // at once
	ctx, cancel := context.WithCancel(w.t.Context())
	w.onSweep = cancel
	w.managed.SweepOrphans(ctx, func(key identity.Key) { found = append(found, key) })
	assert.Equal(w.t, "Sweep", w.did())
	w.calls, w.onSweep = calls, nil
	return found
}

func TestAnOrphanedRoleIsDeleted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := sweeping(t)
		assert.Equal(t, []identity.Key{app}, w.sweepOnce())
		w.serve()
		assert.Equal(t, "Release Delete AROA1 RemoveFinalizer", w.did())
		assert.Empty(t, w.told(), "there is no object to tell it on")
		assert.Contains(t, w.logged.String(), "role released")
		w.serve()
		assert.Empty(t, w.did(), "and that was all")
	})
}

func TestRoleWithAnOwnerIsNoOrphan(t *testing.T) {
	for name, prepare := range map[string]func(*world){
		"by the API server's word": func(w *world) { w.keeps = true },
		"by the cache":             func(w *world) { w.asked = desired(); w.asked.Managed = &identity.ManagedRole{Policy: "{}"} },
		"as an owner":              func(w *world) { w.owners = []identity.Key{app} },
		"in another namespace":     func(w *world) { w.managed.Namespace = "other" },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := sweeping(t)
				prepare(w)
				w.sweepOnce()
				w.serve()
				assert.NotContains(t, w.did(), "Delete")
				if w.asked != nil {
					return // a role was made for it by now
				}
				w.keeps = false
				w.serve()
				assert.NotContains(t, w.did(), "Delete", "what was found then counts no more")
			})
		})
	}
}

func TestOrphanOfAnObjectThatUsesAnotherRoleIsDeleted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := sweeping(t)
		w.asked = desired()
		w.serve()
		w.did()
		w.told()
		w.sweepOnce()
		w.serve()
		assert.Equal(t, "Delete AROA1 RemoveFinalizer", w.did())
		assert.Equal(t, api.RoleDeleted, w.told()[0].reason)
	})
}

func TestOrphanIsDeletedOnlyOnPositiveEvidence(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := sweeping(t)
		w.releaseErr = errDenied
		w.sweepOnce()
		_, err := w.sync()
		require.ErrorIs(t, err, errDenied)
		assert.Equal(t, "Release", w.did())
		w.releaseErr = nil
		w.serve()
		assert.Equal(t, "Release Delete AROA1 RemoveFinalizer", w.did())
	})
}

func TestOrphansAreSweptOnceInAnInterval(t *testing.T) {
	for intervals := 1; intervals <= 3; intervals++ {
		synctest.Test(t, func(t *testing.T) {
			w := sweeping(t)
			w.managed.SweepInterval, w.sweepErr = 6*time.Hour, errDenied
			stop := w.sweepInBackground()
			time.Sleep(time.Duration(intervals) * w.managed.SweepInterval)
			stop()
			assert.GreaterOrEqual(t, len(w.calls), intervals)
			assert.LessOrEqual(t, len(w.calls), intervals+1)
			assert.Contains(t, w.logged.String(), "sweep for orphaned roles is incomplete")
		})
	}
}

func TestNoSweepWhileProvisioningIsDisabled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := sweeping(t)
		w.managed.SweepInterval, w.disabledErr = 6*time.Hour, errDenied
		stop := w.sweepInBackground()
		time.Sleep(24 * time.Hour)
		stop()
		assert.Empty(t, w.calls)
	})
}

func TestNoSweepWithoutAnInterval(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := sweeping(t)
		w.managed.SweepInterval = 0
		w.managed.SweepOrphans(t.Context(), nil)
		assert.Empty(t, w.calls)
	})
}

// sweepInBackground runs the sweeps until the returned function is called, which waits for their end.
func (w *world) sweepInBackground() (stop func()) {
	ctx, cancel := context.WithCancel(w.t.Context())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		w.managed.SweepOrphans(ctx, func(identity.Key) {})
	}()
	return func() { cancel(); <-ended }
}

func TestOrphanFoundWhileItsIdentityIsForgottenIsDeleted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := sweeping(t)
		w.sweepOnce()
		w.managed.Forget(app)
		w.serve()
		assert.Equal(t, "Release Delete AROA1 RemoveFinalizer", w.did())
		w.serve()
		assert.Empty(t, w.did())
	})
}
