package broker

import (
	"fmt"
	"strconv"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"kube-aws-iam-controller/internal/identity"
	"kube-aws-iam-controller/internal/refresh"
)

func TestAnObjectThatIsChangedInALoopIsHeldBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		for range budgetBurst {
			w.asked.Generation++
			w.serve()
			require.Equal(t, "Free Assume Apply", w.did())
		}
		w.told()
		w.metrics = nil
		w.asked.Generation++
		assert.Equal(t, budgetRefill, w.serve(), "it comes back when there is budget again")
		assert.Empty(t, w.did())
		assert.Empty(t, w.told())
		assert.Empty(t, w.metrics)

		other := identity.Key{Source: identity.ServiceAccount, Namespace: "ns", Name: "other"}
		_, err := w.Sync(t.Context(), other)
		require.NoError(t, err)
		assert.Equal(t, "Free Assume Apply", w.did(), "others have a budget of their own")

		time.Sleep(budgetRefill)
		w.serve()
		assert.Equal(t, "Free Assume Apply", w.did())
		w.asked.Generation++
		assert.Equal(t, budgetRefill, w.serve(), "one more, not as many again")

		time.Sleep(budgetBurst * budgetRefill)
		for range budgetBurst {
			w.asked.Generation++
			w.serve()
		}
		assert.Len(t, w.assumed, 2*budgetBurst+2)
	})
}

func TestFailuresAndTakenNamesSpendTheBudgetToo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.assumeErr = errSTS
		for range budgetBurst {
			_, err := w.sync()
			require.ErrorIs(t, err, errSTS)
		}
		assert.Equal(t, budgetRefill, w.serve())
		assert.Equal(t, Failed, w.state(), "held back is not mended")
	})
}

func TestASecretThatIsDeletedOrEditedInALoopIsHeldBack(t *testing.T) {
	for name, happen := range map[string]func(w *world){
		"deleted":    func(w *world) { delete(w.have, app) },
		"edited":     func(w *world) { w.change(func(s *refresh.State) { s.Edited = true }) },
		"unreadable": func(w *world) { w.change(func(s *refresh.State) { s.Expiration = time.Time{} }) },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t)
				w.serve()
				for range 3 * budgetBurst {
					happen(w)
					w.serve()
				}
				assert.Len(t, w.assumed, budgetBurst)
			})
		})
	}
}

func TestAForgedExpirationIsHeldBackToo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		for range 3 * budgetBurst {
			w.change(func(s *refresh.State) { s.Expiration = time.Now().Add(time.Second) })
			w.serve()
		}
		assert.Len(t, w.assumed, budgetBurst)
	})
}

func TestWhatTrulyRunsOutNeverExhaustsTheBudget(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.asked.SessionDuration = identity.MinSession
		for range 500 {
			time.Sleep(w.serve())
			w.did()
		}
		assert.Greater(t, len(w.assumed), 200)
		assert.Zero(t, w.restores.spend(app, time.Now()))
	})
}

func TestRepeatsOfANamespaceAreBoundedTogether(t *testing.T) {
	var b budgets
	now := time.Unix(0, 0)
	granted := 0
	for round := range 3 {
		for i := range 500 {
			key := identity.Key{Namespace: "ns", Name: strconv.Itoa(i)}
			if b.spend(key, now) == 0 {
				granted++
				b.served(key, now)
			}
		}
		if round == 0 {
			assert.Equal(t, 500, granted, "what is new is not bounded")
		}
	}
	assert.Equal(t, 500+repeatBurst, granted)
	assert.Zero(t, b.spend(identity.Key{Namespace: "other", Name: "0"}, now), "others are not concerned")
	granted = 0
	for second := range 60 {
		for i := range 500 {
			if b.spend(identity.Key{Namespace: "ns", Name: strconv.Itoa(i)}, now.Add(time.Duration(second)*time.Second)) == 0 {
				granted++
			}
		}
	}
	assert.InDelta(t, 600, granted, 20, "ten a second")
}

func TestWhoWasServedJustNowGoesBehindOthers(t *testing.T) {
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

func TestCredentialsThatAreBornOldAreNotRenewedInALoop(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.ahead = time.Hour + time.Minute
		for range 1000 { // the Secret's own events, a moment after each write
			w.serve()
			time.Sleep(10 * time.Millisecond)
		}
		assert.LessOrEqual(t, len(w.assumed), 2*budgetBurst)
	})
}

func TestBudgetsGrantTheirRateForever(t *testing.T) {
	var b budgets
	now := time.Unix(0, 0)
	granted := 0
	for range 24 * 3600 {
		if b.spend(app, now) == 0 {
			granted++
		}
		now = now.Add(time.Second)
	}
	assert.InDelta(t, budgetBurst+24*3600/int(budgetRefill/time.Second), granted, 2)
}

func TestTheWaitIsJustLongEnough(t *testing.T) {
	var b budgets
	now := time.Unix(0, 0)
	for range budgetBurst {
		require.Zero(t, b.spend(app, now))
	}
	now = now.Add(3 * time.Second)
	wait := b.spend(app, now)
	assert.Equal(t, 7*time.Second, wait)
	assert.Equal(t, wait, b.spend(app, now), "asking costs nothing")
	assert.Equal(t, time.Millisecond, b.spend(app, now.Add(wait-time.Millisecond)))
	assert.Zero(t, b.spend(app, now.Add(wait)))
}

func TestABudgetHoldsNoMoreThanItsBurst(t *testing.T) {
	var b budgets
	require.Zero(t, b.spend(app, time.Unix(0, 0)))
	later := time.Unix(0, 0).Add(budgetBurst*budgetRefill - time.Second) // just before it is swept
	for range budgetBurst {
		require.Zero(t, b.spend(app, later))
	}
	assert.Equal(t, budgetRefill, b.spend(app, later))
}

func TestEmptyBudgetsAreForgotten(t *testing.T) {
	var b budgets
	now := time.Unix(0, 0)
	for i := range 10_000 {
		b.spend(identity.Key{Name: strconv.Itoa(i)}, now)
	}
	assert.Len(t, b.spent, 10_000)
	now = now.Add(budgetBurst*budgetRefill - budgetRefill)
	for range budgetBurst {
		require.Zero(t, b.spend(app, now))
	}
	now = now.Add(budgetRefill)
	require.NotZero(t, b.spend(app, now.Add(-time.Second)), "full")
	b.spend(identity.Key{Name: "last"}, now)
	assert.Len(t, b.spent, 2)
	require.Zero(t, b.spend(app, now), "sweeping neither fills nor empties")
	require.NotZero(t, b.spend(app, now))
}

func TestBudgetsAreForUseByMany(t *testing.T) {
	var b budgets
	var wg sync.WaitGroup
	granted := make(chan struct{}, 20*budgetBurst)
	for i := range 20 {
		wg.Go(func() {
			for range budgetBurst {
				b.spend(identity.Key{Name: fmt.Sprint("own", i)}, time.Unix(0, 0))
				if b.spend(app, time.Unix(0, 0)) == 0 {
					granted <- struct{}{}
				}
			}
		})
	}
	wg.Wait()
	assert.Len(t, granted, budgetBurst)
}
