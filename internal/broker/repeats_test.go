package broker

import (
	"context"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"kube-aws-iam-controller/internal/identity"
	"kube-aws-iam-controller/internal/limit"
	"kube-aws-iam-controller/internal/refresh"
)

// shared gives the world's AWS the rates of the flags, and counts whose requests are marked as repeats.
type shared struct {
	*world

	turns    *limit.Requests
	requests int // that one ensured role, or one that is deleted, costs
}

func (s shared) Ensure(ctx context.Context, want identity.Desired, id string) (identity.Role, error) {
	for range s.requests {
		if err := s.turns.Wait(ctx); err != nil {
			return identity.Role{}, err
		}
	}
	return s.world.Ensure(ctx, want, id)
}

// marks says whether a request under a context is held back as a repeat of a namespace that has spent its share.
func marks(ctx context.Context, namespace string) bool {
	turns := limit.NewRequests(2) // one a second for repeats
	_ = turns.Wait(limit.Repeats(context.Background(), namespace))
	start := time.Now()
	_ = turns.Wait(ctx)
	return time.Since(start) > 0
}

func TestWhatIsDoneOverAndOverIsMarked(t *testing.T) {
	type step struct {
		have   refresh.State
		reason refresh.Reason
		before func(*world)
	}
	exists := refresh.State{Exists: true, Expiration: time.Now().Add(time.Hour)}
	edited := exists
	edited.Edited = true
	for name, each := range map[string]struct {
		step
		want bool
	}{
		"what is new":                        {step{reason: refresh.Missing}, false},
		"what runs out":                      {step{have: exists, reason: refresh.NearExpiry}, false},
		"what seems to run out":              {step{have: edited, reason: refresh.NearExpiry}, true},
		"what ran out just after it was got": {step{have: exists, reason: refresh.NearExpiry, before: func(w *world) { w.restores.spend(app, time.Now()); w.restores.served(app, time.Now()) }}, true},
		"what is changed":                    {step{have: exists, reason: refresh.SpecChanged}, true},
		"what was tried before": {step{reason: refresh.Missing, before: func(w *world) {
			w.restores.spend(app, time.Now())
			w.restores.tried(app, time.Now())
		}}, true},
		"what was tried long ago": {step{reason: refresh.Missing, before: func(w *world) {
			w.restores.spend(app, time.Now())
			w.restores.tried(app, time.Now())
			time.Sleep(triedWithin)
		}}, false},
		"what has a role that was made of late": {step{reason: refresh.Missing, before: func(w *world) { w.fresh.note(*desired(), identity.Role{ID: "AROA1"}, true) }}, true},
		"what is new in place of another":       {step{reason: refresh.Missing, before: func(w *world) { w.removals.note("ns", time.Now()) }}, true},
		"what is new in another namespace":      {step{reason: refresh.Missing, before: func(w *world) { w.removals.note("other", time.Now()) }}, false},
		"what is new long after": {step{reason: refresh.Missing, before: func(w *world) {
			w.removals.note("ns", time.Now())
			time.Sleep(repeatWithin)
		}}, false},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t)
				if each.before != nil {
					each.before(w)
				}
				assert.Equal(t, each.want, marks(w.marked(t.Context(), *desired(), each.have, each.reason), "ns"))
			})
		})
	}
}

func TestRemovalsAreRememberedForAWhile(t *testing.T) {
	var r removals
	now := time.Unix(0, 0)
	for i := range 1000 {
		r.note(fmt.Sprint(i), now)
	}
	r.note("ns", now.Add(2*repeatWithin))
	assert.Len(t, r.last, 1)
}

// 100 ServiceAccounts are toggled between two policies, with only what their own budgets leave them to wait for.
func TestANamespaceThatTogglesItsPoliciesHasHalfOfIAM(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const requests, qps, minutes = 5, 20, 2
		s := shared{world: newWorld(t), turns: limit.NewRequests(qps), requests: requests}
		s.Roles = unhurried{s}
		s.asked.Managed = &identity.ManagedRole{Policy: "{}"}
		renew := func(key identity.Key, i int, have refresh.State, reason refresh.Reason) {
			want := *s.asked
			want.Key, want.SessionDuration = key, time.Hour+time.Duration(i)*time.Second
			_, err := s.renew(t.Context(), renewal{source: s.world, want: want, have: have, reason: reason})
			require.NoError(t, err)
		}
		toggles := 0
		for end := time.Now().Add(minutes * time.Minute); time.Now().Before(end); toggles++ {
			key := identity.Key{Source: identity.ServiceAccount, Namespace: "ns", Name: fmt.Sprint(toggles % 100)}
			renew(key, toggles, refresh.State{Exists: true}, refresh.SpecChanged)
		}
		assert.LessOrEqual(t, toggles*requests, minutes*60*qps/2+qps)
		assert.Greater(t, toggles*requests, minutes*60*qps/2-qps, "and half it has")
		start := time.Now()
		for i := range 4 {
			renew(identity.Key{Source: identity.ServiceAccount, Namespace: "other", Name: fmt.Sprint(i)}, 0, refresh.State{}, refresh.Missing)
		}
		assert.Less(t, time.Since(start), 100*time.Millisecond, "whoever is new does not wait")
	})
}

func (s shared) Delete(ctx context.Context, key identity.Key, id string) (bool, error) {
	if err := s.turns.Wait(ctx); err != nil {
		return false, err
	}
	return s.world.Delete(ctx, key, id)
}

func TestWhatANamespaceTakesAwayIsARepeat(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := shared{world: newWorld(t), turns: limit.NewRequests(2)}
		s.Roles = unhurried{s}
		s.held, s.role = true, &identity.Role{ID: "AROA1"}
		require.NoError(t, s.turns.Wait(limit.Repeats(t.Context(), "ns")))
		start := time.Now()
		_, err := s.mayRemove(context.WithValue(t.Context(), quickly{}, true), app, true)
		require.ErrorIs(t, err, ErrSlow)
		assert.True(t, s.removals.ofLate("ns", time.Now()), "what is made in its place goes with it, although it still waits for IAM")
		_, err = s.Broker.dispose(t.Context(), app, "AROA1")
		require.NoError(t, err)
		assert.Positive(t, time.Since(start), "it waits for the namespace's share")
	})
}
