package broker

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"kube-aws-iam-controller/internal/identity"
	"kube-aws-iam-controller/internal/refresh"
	"kube-aws-iam-controller/internal/status"
)

func TestObjectChangedInALoopIsLimited(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		for range renewalBurst {
			w.asked.Generation++
			w.serve()
			require.Equal(t, "Assume Apply", w.did())
		}
		w.told()
		w.metrics = nil
		w.asked.Generation++
		assert.Equal(t, renewalInterval, w.serve(), "it comes back when there is budget again")
		assert.Empty(t, w.did())
		assert.Empty(t, w.told())
		assert.Empty(t, w.metrics)

		other := identity.Key{Source: identity.ServiceAccount, Namespace: "ns", Name: "other"}
		_, err := w.syncKey(other)
		require.NoError(t, err)
		assert.Equal(t, "Assume Apply", w.did(), "others have a budget of their own")

		time.Sleep(renewalInterval)
		w.serve()
		assert.Equal(t, "Assume Apply", w.did())
		w.asked.Generation++
		assert.Equal(t, renewalInterval, w.serve(), "one more, not as many again")

		time.Sleep(renewalBurst * renewalInterval)
		for range renewalBurst {
			w.asked.Generation++
			w.serve()
		}
		assert.Len(t, w.assumed, 2*renewalBurst+2)
	})
}

func TestFailuresCountForTheLimit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.assumeErr = errSTS
		for range renewalBurst {
			_, err := w.sync()
			require.ErrorIs(t, err, errSTS)
		}
		assert.Equal(t, renewalInterval, w.serve())
		assert.Equal(t, status.Failed, w.state(), "held back is not mended")
	})
}

func TestSecretDeletedOrEditedInALoopIsLimited(t *testing.T) {
	for name, happen := range map[string]func(w *world){
		"deleted":    func(w *world) { delete(w.have, app) },
		"edited":     func(w *world) { w.change(func(s *refresh.State) { s.Edited = true }) },
		"unreadable": func(w *world) { w.change(func(s *refresh.State) { s.Expiration = time.Time{} }) },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t)
				w.serve()
				for range 3 * renewalBurst {
					happen(w)
					w.serve()
				}
				assert.Len(t, w.assumed, renewalBurst)
			})
		})
	}
}

func TestForgedExpirationIsLimited(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		for range 3 * renewalBurst {
			w.change(func(s *refresh.State) { s.Expiration = time.Now().Add(time.Second) })
			w.serve()
		}
		assert.Len(t, w.assumed, renewalBurst)
	})
}

func TestRenewalsNeverExhaustTheLimit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.asked.SessionDuration = identity.MinSession
		for range 500 {
			time.Sleep(w.serve())
			w.did()
		}
		assert.Greater(t, len(w.assumed), 200)
		assert.Zero(t, w.limits.renewals.TakeOwn(app, time.Now()))
	})
}

func TestRecentlyServedIdentityGoesBehindOthers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		assert.Zero(t, w.Deadline(app), "who has nothing goes first")
		w.serve()
		assert.Equal(t, w.have[app].Expiration, w.Deadline(app))
		for _, harm := range []func(*refresh.State){
			func(s *refresh.State) { *s = refresh.State{} },
			func(s *refresh.State) { s.Exists, s.Expiration = true, time.Now().Add(time.Second) },
		} {
			w.change(harm)
			assert.Equal(t, time.Now().Add(refreshLimit), w.Deadline(app))
		}
		time.Sleep(repeatWithin)
		w.change(func(s *refresh.State) { *s = refresh.State{} })
		assert.Zero(t, w.Deadline(app))
	})
}

func TestSkewedClockDoesNotRenewInALoop(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.ahead = time.Hour + time.Minute
		for range 1000 { // the Secret's own events, a moment after each write
			w.serve()
			time.Sleep(10 * time.Millisecond)
		}
		assert.LessOrEqual(t, len(w.assumed), 2*renewalBurst)
	})
}
