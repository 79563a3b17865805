package managedrole

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"kube-aws-iam-controller/internal/identity"
)

// sweepFor sweeps for so long, and returns what was found.
func (w *world) sweepFor(d time.Duration) (found []identity.Key) {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(w.t.Context(), d)
	defer cancel()
	w.m.SweepOrphans(ctx, func(key identity.Key) { found = append(found, key) })
	return found
}

// orphaned returns a world in which a sweep has found the role AROA1 without an owner.
func orphaned(t *testing.T) *world {
	t.Helper()
	w := newWorld(t)
	w.uid, w.swept = "", map[identity.Key]string{app: "AROA1"}
	assert.Contains(t, w.sweepFor(sweepInterval), app)
	w.forgetWhatWasDone()
	return w
}

func TestOrphanIsReleasedByTheIDThatTheSweepFound(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := orphaned(t)
		assert.True(t, w.m.MayExist(app), "although it has no finalizer")
		assert.Zero(t, w.release("AROA0"))
		assert.Equal(t, "Delete AROA1", w.did())
		assert.Empty(t, w.events)
		assert.False(t, w.m.MayExist(app))
	})
}

func TestWhatASweepFoundTakesPrecedenceOverMemory(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := made(t, time.Hour)
		w.swept = map[identity.Key]string{app: "AROA2"}
		w.sweepFor(sweepInterval)
		w.did()
		w.release("AROA0")
		assert.Equal(t, "Delete AROA2", w.did())
	})
}

func TestSweepThatEndsWithTheProcessIsNoFailure(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		ctx, cancel := context.WithCancel(t.Context())
		w.sweepErr = context.Canceled
		w.onSweep = cancel
		w.m.SweepOrphans(ctx, nil)
		assert.Equal(t, "Sweep", w.did())
		assert.Empty(t, w.logged.String())
	})
}

func TestOrphanOutlivesThatItsIdentityIsForgotten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := orphaned(t)
		w.m.Forget(app)
		assert.True(t, w.m.MayExist(app))
		w.release("")
		assert.Equal(t, "Delete AROA1", w.did())
	})
}

func TestOwnerThatCameBackKeepsItsRole(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := orphaned(t)
		w.m.HasOwner(app)
		assert.False(t, w.m.MayExist(app))
		w.release("AROA1")
		assert.Empty(t, w.did())
	})
}

func TestFailedReleaseOfAnOrphanIsRetried(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := orphaned(t)
		w.endErr = errAway
		_, err := w.m.Release(t.Context(), app, "")
		require.ErrorIs(t, err, errAway)
		w.endErr = nil
		w.did()
		w.release("")
		assert.Equal(t, "Delete AROA1", w.did())
	})
}

func TestOwnersAndOtherNamespacesAreNotSwept(t *testing.T) {
	for name, prepare := range map[string]func(*world){
		"an object asks for it":                   func(w *world) { w.owners = []identity.Key{app} },
		"another controller serves its namespace": func(w *world) { w.m.Namespace = "other" },
		"IAM does not show it":                    func(w *world) { w.swept = nil },
		"the sweep fails before it finds it":      func(w *world) { w.swept, w.sweepErr = nil, errAway },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t)
				w.swept = map[identity.Key]string{app: "AROA1"}
				prepare(w)
				assert.Empty(t, w.sweepFor(sweepInterval))
				assert.Contains(t, w.calls, "Sweep")
				assert.False(t, w.m.MayExist(app))
				assert.Equal(t, w.sweepErr != nil, w.logged.Len() > 0)
			})
		})
	}
}

func TestOnlyTheServedNamespaceIsSwept(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.m.Namespace, w.swept = "ns", map[identity.Key]string{app: "AROA1"}
		assert.Contains(t, w.sweepFor(sweepInterval), app)
	})
}

func TestSweepsAreAnIntervalApart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, last := newWorld(t), time.Now()
		var gaps []time.Duration
		w.onSweep = func() {
			gaps = append(gaps, time.Since(last))
			last = time.Now()
		}
		w.sweepFor(10 * sweepInterval)
		require.GreaterOrEqual(t, len(gaps), 10)
		assert.Less(t, gaps[0], sweepInterval, "the first one at any moment")
		for _, gap := range gaps[1:] {
			assert.GreaterOrEqual(t, gap, sweepInterval*9/10)
			assert.LessOrEqual(t, gap, sweepInterval)
		}
	})
}

func TestNothingIsSweptWhereThatIsOff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.disabled = errAway
		w.sweepFor(3 * sweepInterval)
		assert.Empty(t, w.calls, "it has no business with IAM")
		w.m.SweepInterval, w.disabled = 0, nil
		w.m.SweepOrphans(t.Context(), nil) // returns
		assert.Empty(t, w.calls)
	})
}
