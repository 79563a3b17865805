package managedrole

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"

	"kube-aws-iam-controller/internal/identity"
)

// sweeping runs the sweeps in the background until the test ends, and returns what they found.
func (w *world) sweeping() (found *[]identity.Key) {
	w.t.Helper()
	found = &[]identity.Key{}
	ctx, cancel := context.WithCancel(w.t.Context())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		w.m.SweepOrphans(ctx, func(key identity.Key) { *found = append(*found, key) })
	}()
	w.t.Cleanup(func() { cancel(); <-ended })
	return found
}

// orphaned returns a world in which a sweep has found the role AROA1 without an owner.
func orphaned(t *testing.T) *world {
	t.Helper()
	w := newWorld(t)
	w.uid, w.swept = "", map[identity.Key]string{app: "AROA1"}
	found := w.sweeping()
	time.Sleep(sweepInterval)
	synctest.Wait()
	assert.Contains(t, *found, app)
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
		w.sweeping()
		time.Sleep(sweepInterval)
		synctest.Wait()
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
		assert.ErrorIs(t, err, errAway) //nolint:testifylint // the next try counts
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
				found := w.sweeping()
				time.Sleep(sweepInterval)
				synctest.Wait()
				assert.Contains(t, w.calls, "Sweep")
				assert.Empty(t, *found)
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
		found := w.sweeping()
		time.Sleep(sweepInterval)
		synctest.Wait()
		assert.Contains(t, *found, app)
	})
}

func TestSweepsAreAnIntervalApart(t *testing.T) {
	for range 20 {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(t)
			w.sweeping()
			time.Sleep(sweepInterval)
			synctest.Wait()
			first := len(w.calls)
			assert.GreaterOrEqual(t, first, 1, "the first one within an interval")
			assert.LessOrEqual(t, first, 2)
			time.Sleep(10 * sweepInterval)
			synctest.Wait()
			assert.GreaterOrEqual(t, len(w.calls)-first, 10)
			assert.LessOrEqual(t, len(w.calls)-first, 12, "at most a tenth earlier")
		})
	}
}

func TestNothingIsSweptWhereThatIsOff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.disabled = errAway
		w.sweeping()
		time.Sleep(3 * sweepInterval)
		synctest.Wait()
		assert.Empty(t, w.calls, "it has no business with IAM")
		w.disabled = nil
		time.Sleep(sweepInterval)
		synctest.Wait()
		assert.NotEmpty(t, w.calls, "by now it has")

		w = newWorld(t)
		w.m.SweepInterval = 0
		w.m.SweepOrphans(t.Context(), nil) // returns
		assert.Empty(t, w.calls)
	})
}
