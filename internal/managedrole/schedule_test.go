package managedrole

import (
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"kube-aws-iam-controller/internal/identity"
)

// own makes so many ServiceAccounts ask for managed roles.
func (w *world) own(roles int) {
	w.owners = nil
	for i := range roles {
		w.owners = append(w.owners, identity.Key{Source: identity.ServiceAccount, Namespace: fmt.Sprintf("ns-%d", i%50), Name: fmt.Sprintf("app-%d", i)})
	}
}

// lived inspects roles as a queue with many workers would, and returns when each inspection was.
func (w *world) lived(keys []identity.Key, lives time.Duration) (at []time.Duration) {
	w.t.Helper()
	begin := time.Now()
	again := map[identity.Key]time.Time{}
	for time.Since(begin) < lives {
		now, next := time.Now(), begin.Add(lives)
		for _, key := range keys {
			if again[key].After(now) {
				next = earlier(next, again[key])
				continue
			}
			wait, is := w.m.InspectIn(key)
			require.True(w.t, is)
			if wait <= 0 {
				at = append(at, time.Since(begin))
				want := w.want
				want.Key = key
				var err error
				wait, _, err = w.m.Inspect(w.t.Context(), want, "AROA1")
				require.NoError(w.t, err)
			}
			again[key] = now.Add(wait)
			next = earlier(next, again[key])
		}
		time.Sleep(time.Until(next))
	}
	return at
}

func earlier(a, b time.Time) time.Time {
	if a.Before(b) {
		return a
	}
	return b
}

func TestIntervalStretchesWithTheRolesAndTheLogSaysToWhat(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		assert.Equal(t, driftInterval, w.m.CurrentDriftInterval())
		w.own(10_000)
		assert.Equal(t, driftInterval, w.m.CurrentDriftInterval(), "they are counted once a minute")
		time.Sleep(time.Minute)
		assert.Empty(t, w.logged.String())
		for range 5 {
			assert.Equal(t, 8000*time.Second, w.m.CurrentDriftInterval())
			time.Sleep(time.Minute)
		}
		assert.Equal(t, 1, strings.Count(w.logged.String(), "less often than --drift-interval says"))
		assert.Contains(t, w.logged.String(), "interval=2h13m20s asked=1h0m0s roles=10000 iamQPS=20")
		w.own(10)
		time.Sleep(time.Minute)
		assert.Equal(t, driftInterval, w.m.CurrentDriftInterval())
		assert.Contains(t, w.logged.String(), "as often as --drift-interval says")
		w.disabled = errAway
		assert.Zero(t, w.m.CurrentDriftInterval())
	})
}

func TestNextInspectionIsPlannedByTheStretchedInterval(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := made(t, time.Hour)
		w.own(10_000)
		next, _ := w.inspect()
		assert.GreaterOrEqual(t, next, 8000*time.Second*9/10)
		assert.LessOrEqual(t, next, 8000*time.Second)
		w.assertPlanned(next)
	})
}

func TestRolesThatAreTooManyAreInspectedAtTheRateThatIsTheirs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.m.DriftInterval = time.Minute
		w.own(300)
		at := w.lived(w.owners, time.Hour)
		assert.InDelta(t, 3600*1.25, float64(len(at)), 3600*1.25*0.06, "a quarter of 20 requests a second, four for each")
		seen := map[string]int{}
		for _, call := range w.calls {
			seen[call]++
		}
		assert.Equal(t, map[string]int{"Differs AROA1": len(at)}, seen)
		for i := range len(at) - 10 {
			assert.GreaterOrEqual(t, at[i+10]-at[i], 7900*time.Millisecond, "nor faster for a while")
		}
	})
}

func TestRolesThatAreDueTogetherAreInspectedOneAfterTheOther(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.own(100)
		for _, key := range w.owners {
			w.m.InspectIn(key)
		}
		time.Sleep(2 * driftInterval) // the process was stopped
		at := w.lived(w.owners, 2*time.Minute)
		require.Len(t, at, 100)
		assert.InDelta(t, 80*time.Second, at[99], float64(2*time.Second))
	})
}

func TestInspectionLetsOthersUseIAMFirst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := made(t, time.Hour)
		w.busy = true
		w.m.plan(app, 0, false)
		begin := time.Now()
		for len(w.calls) == 0 {
			wait, is := w.m.InspectIn(app)
			require.True(t, is)
			if wait <= 0 {
				w.inspect()
				continue
			}
			require.LessOrEqual(t, wait, postponement)
			time.Sleep(wait)
		}
		assert.Greater(t, time.Since(begin), driftInterval, "somebody waits for IAM all the time")
		assert.Less(t, time.Since(begin), driftInterval+2*postponement, "but that hides no drift for ever")

		w.did()
		w.busy = false
		w.m.plan(app, 0, false)
		time.Sleep(postponement)
		_, is := w.m.InspectIn(app)
		require.True(t, is)
		w.inspect()
		assert.Equal(t, "Differs AROA1", w.did())
	})
}

func TestInspectionsThatTakeLongAreFew(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.onDiffer = func() { time.Sleep(time.Minute) }
		w.own(3)
		for _, key := range w.owners {
			w.m.plan(key, 0, false)
		}
		next := make([]time.Duration, 3)
		for i, key := range w.owners {
			go func() {
				want := w.want
				want.Key = key
				next[i], _, _ = w.m.Inspect(t.Context(), want, "")
			}()
			synctest.Wait()
		}
		assert.Equal(t, "Differs , Differs ", w.did())
		assert.Positive(t, next[2], "it comes back, and keeps no worker from others")
		assert.LessOrEqual(t, next[2], postponement)
		time.Sleep(2 * time.Minute)
		want := w.want
		want.Key = w.owners[2]
		_, _, err := w.m.Inspect(t.Context(), want, "")
		require.NoError(t, err)
		assert.Equal(t, "Differs ", w.did())
	})
}

func TestFailedInspectionIsKnownUntilOneSucceeds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := made(t, time.Hour)
		w.m.plan(app, 0, false)
		w.differs.err = errAway
		_, _, err := w.m.Inspect(t.Context(), w.want, "AROA1")
		require.ErrorIs(t, err, errAway)
		assert.True(t, w.m.InspectFailed(app))
		w.differs.err, w.busy = nil, true
		w.inspect()
		assert.True(t, w.m.InspectFailed(app), "that was none")
		w.busy = false
		w.inspect()
		assert.False(t, w.m.InspectFailed(app))
	})
}
