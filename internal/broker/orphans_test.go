package broker

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

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
	w.sweep(w.t.Context(), func(key identity.Key) { found = append(found, key) })
	assert.Equal(w.t, "Sweep", w.did())
	return found
}

func TestAnOrphanedRoleIsDeleted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := sweeping(t)
		assert.Equal(t, []identity.Key{app}, w.sweepOnce())
		w.serve()
		assert.Equal(t, "Release Delete AROA1 LetGo", w.did())
		assert.Empty(t, w.told(), "there is no object to tell it on")
		assert.Contains(t, w.logged.String(), "role disposed of")
		w.serve()
		assert.Empty(t, w.did(), "and that was all")
	})
}

func TestARoleIsNoOrphanWhereTheObjectStillAsks(t *testing.T) {
	for name, prepare := range map[string]func(*world){
		"by the API server's word": func(w *world) { w.keeps = true },
		"by the cache":             func(w *world) { w.asked = desired(); w.asked.Own = &identity.OwnRole{Policy: "{}"} },
		"as an owner":              func(w *world) { w.owners = []identity.Key{app} },
		"in another namespace":     func(w *world) { w.Namespace = "other" },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := sweeping(t)
				prepare(w)
				w.sweepOnce()
				w.serve()
				assert.NotContains(t, w.did(), "Delete")
				w.keeps, w.asked = false, nil
				w.held = false
				w.serve()
				assert.NotContains(t, w.did(), "Delete", "what was found then counts no more")
			})
		})
	}
}

func TestAnOrphanOfOneWhoUsesAnotherRoleGoes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := sweeping(t)
		w.asked = desired()
		w.serve()
		w.did()
		w.told()
		w.sweepOnce()
		w.serve()
		assert.Equal(t, "Delete AROA1 LetGo", w.did())
		assert.Equal(t, identity.RoleDeleted, w.told()[0].reason)
	})
}

func TestAnOrphanIsKeptForAsLongAsNothingIsProven(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := sweeping(t)
		w.releaseErr = errDenied
		w.sweepOnce()
		_, err := w.sync()
		require.ErrorIs(t, err, errDenied)
		assert.Equal(t, "Release", w.did())
		w.releaseErr = nil
		w.serve()
		assert.Equal(t, "Release Delete AROA1 LetGo", w.did())
	})
}

func TestOrphansAreLookedForOnceInAnInterval(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := sweeping(t)
		w.OrphanSweepInterval, w.sweepErr = 6*time.Hour, errDenied
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan struct{})
		go func() {
			defer close(ended)
			w.SweepOrphans(ctx, func(identity.Key) {})
		}()
		for _, least := range []int{1, 2, 3} {
			time.Sleep(6 * time.Hour)
			synctest.Wait()
			assert.GreaterOrEqual(t, len(w.calls), least)
			assert.LessOrEqual(t, len(w.calls), least+1)
		}
		assert.Contains(t, w.logged.String(), "sweep for orphaned roles is incomplete")
		w.disabledErr = errDenied
		seen := len(w.calls)
		time.Sleep(12 * time.Hour)
		synctest.Wait()
		assert.Len(t, w.calls, seen, "who makes no roles has no business there")
		cancel()
		<-ended
		w.OrphanSweepInterval = 0
		w.SweepOrphans(t.Context(), nil)
	})
}
