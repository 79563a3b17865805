package broker

import (
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"kube-aws-iam-controller/internal/identity"
	"kube-aws-iam-controller/internal/refresh"
)

func TestWhatNeedsIAMIsLeftToThoseWhoMayWait(t *testing.T) {
	tests := map[string]struct {
		happen func(w *world)
		before string // what may be done at once
	}{
		"a new role":           {func(*world) {}, "Free Hold"},
		"another policy":       {func(w *world) { w.serve(); w.asked.Own = &identity.OwnRole{Policy: "[]"} }, "Free Hold"},
		"a look at the role":   {func(w *world) { w.DriftInterval = time.Second; w.serve(); w.serve(); time.Sleep(time.Second) }, ""},
		"the role goes":        {func(w *world) { w.serve(); w.asked = nil }, ""},
		"another role is used": {func(w *world) { w.serve(); w.asked = desired(); w.serve() }, ""},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := asking(t)
				tc.happen(w)
				w.did()
				w.told()
				w.metrics = nil
				for range 2 * budgetBurst {
					_, err := w.SyncQuickly(t.Context(), app)
					require.ErrorIs(t, err, ErrSlow)
					assert.Equal(t, tc.before, w.did())
				}
				assert.Empty(t, w.told())
				assert.Empty(t, w.metrics)
				assert.Equal(t, Ready == w.state(), w.have[app].Exists, "nothing is wrong")
				w.serve()
				assert.NotEmpty(t, w.did(), "and no budget is spent")
			})
		})
	}
}

func TestWhatNeedsNoIAMIsDoneQuickly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := asking(t)
		w.serve()
		time.Sleep(45 * time.Minute)
		w.did()
		_, err := w.SyncQuickly(t.Context(), app)
		require.NoError(t, err)
		assert.Equal(t, "Free Assume Apply", w.did(), "a renewal of a role of one's own")
	})
}

func TestRemovalsOfANamespaceAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.asked = nil
		removed, tries := 0, 0
		remove := func(namespace string, i int) time.Duration {
			key := identity.Key{Source: identity.ServiceAccount, Namespace: namespace, Name: fmt.Sprint(i)}
			w.have[key] = refresh.State{Exists: true, Expiration: time.Now().Add(time.Hour)}
			again, err := w.Sync(t.Context(), key)
			require.NoError(t, err)
			assert.Equal(t, w.did() != "", again == 0)
			tries++
			if again == 0 {
				removed++
			}
			return again
		}
		const each = 4 * time.Millisecond
		back := map[int][]int{}   // who comes back, by the number of the moment
		for i := range 250 * 60 { // a forged Secret each 4 ms
			for _, waits := range append(back[i], i) {
				if again := remove("a", waits); again > 0 {
					moment := i + int((again+each-1)/each)
					back[moment] = append(back[moment], waits)
				}
			}
			delete(back, i)
			time.Sleep(each)
		}
		assert.InDelta(t, repeatBurst+600, removed, 20)
		assert.LessOrEqual(t, tries, 250*60+600, "nobody comes back before its time")
		for i := range repeatBurst {
			assert.Zero(t, remove("b", i), "others are not concerned")
		}
	})
}

func TestNobodyInTheNamespaceDelaysThatCredentialsAreTakenAway(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.serve() // just now, so that this is a repeat
		for i := range 10 * repeatBurst {
			w.restores.spendRemoval(identity.Key{Namespace: app.Namespace, Name: fmt.Sprint(i)}, time.Now())
		}
		w.did()
		w.refused = []string{account + "app"}
		w.serve()
		assert.Equal(t, "Remove", w.did())
	})
}

func TestAFinalizerThatIsPutOnInALoopIsTakenOffEverSoOften(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		time.Sleep(time.Hour)
		for range 10 * budgetBurst {
			w.held = true
			w.serve()
		}
		w.asked = nil
		for range 10 * budgetBurst {
			w.held = true
			w.serve()
		}
		deleted := 0
		for _, call := range w.calls {
			if call == "Delete " {
				deleted++
			}
		}
		assert.LessOrEqual(t, deleted, budgetBurst)
	})
}

func TestWithdrawalsDependOnNobodyElse(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.serve()
		for i := range 1000 { // somebody else in the namespace is at it
			w.restores.spendRemoval(identity.Key{Source: identity.ServiceAccount, Namespace: "ns", Name: fmt.Sprint(i)}, time.Now())
		}
		time.Sleep(repeatWithin)
		for i := range 1000 {
			w.restores.spendRemoval(identity.Key{Source: identity.ServiceAccount, Namespace: "ns", Name: fmt.Sprint(i)}, time.Now())
		}
		w.did()
		w.refused = []string{account + "app"}
		w.serve()
		assert.Equal(t, "Remove", w.did())
		for range 2 * budgetBurst {
			w.have[app] = refresh.State{Exists: true, RoleARN: account + "app"}
			w.serve()
		}
		assert.Len(t, w.calls, budgetBurst-1, "but its own tries are bounded")
	})
}

func TestWhatIsForgedIsNotUrgent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		now := time.Now()
		w := newWorld(t)
		for name, tc := range map[string]struct {
			have refresh.State
			want time.Time
		}{
			"nothing":       {refresh.State{}, time.Time{}},
			"fresh":         {refresh.State{Exists: true, Expiration: now.Add(time.Hour)}, now.Add(time.Hour)},
			"about to end":  {refresh.State{Exists: true, Expiration: now.Add(time.Minute)}, now.Add(time.Minute)},
			"ended":         {refresh.State{Exists: true, Expiration: now.Add(-time.Hour)}, time.Time{}},
			"of the year 0": {refresh.State{Exists: true, Expiration: time.Date(0, 1, 1, 0, 0, 0, 0, time.UTC)}, time.Time{}},
			"edited":        {refresh.State{Exists: true, Edited: true, Expiration: now.Add(time.Minute)}, time.Time{}},
		} {
			w.have[app] = tc.have
			assert.Equal(t, tc.want, w.Deadline(app), name)
		}
	})
}

func TestWhatWaitsForIAMDoesNotPesterSTSMeanwhile(t *testing.T) {
	for name, left := range map[string]time.Duration{"early": 19 * time.Minute, "late": 3 * time.Minute} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := asking(t)
				w.serve()
				w.serve()
				w.asked.Own = &identity.OwnRole{Policy: "[]"}
				time.Sleep(time.Until(w.have[app].Expiration) - left)
				w.assumeErr = errors.New("503 Service Unavailable")
				tries := len(w.assumed)
				for end := time.Now().Add(2 * time.Minute); time.Now().Before(end); {
					again, err := w.SyncQuickly(t.Context(), app) // its turn for IAM does not come
					require.ErrorIs(t, err, ErrSlow)
					assert.LessOrEqual(t, again, refresh.Patience(time.Now(), w.have[app]))
					time.Sleep(again)
				}
				assert.LessOrEqual(t, len(w.assumed)-tries, 12)
			})
		})
	}
}
