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

func TestRepeatsAreMarked(t *testing.T) {
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
		"what is new":           {step{reason: refresh.Missing}, false},
		"what runs out":         {step{have: exists, reason: refresh.NearExpiry}, false},
		"what seems to run out": {step{have: edited, reason: refresh.NearExpiry}, true},
		"what ran out just after it was got": {step{have: exists, reason: refresh.NearExpiry, before: func(w *world) {
			w.limits.renewals.TakeOwn(app, time.Now())
			w.limits.renewals.Served(app, time.Now())
		}}, true},
		"what is changed": {step{have: exists, reason: refresh.SpecChanged}, true},
		"what was tried before": {step{reason: refresh.Missing, before: func(w *world) {
			w.limits.renewals.TakeOwn(app, time.Now())
		}}, true},
		"what was tried long ago": {step{reason: refresh.Missing, before: func(w *world) {
			w.limits.renewals.TakeOwn(app, time.Now())
			time.Sleep(renewalBurst * renewalInterval)
		}}, false},
		"what has a role that was made of late": {step{reason: refresh.Missing, before: func(w *world) { _, _ = w.managed.Ensure(w.t.Context(), *desired(), "") }}, true},
		"what is new in place of another":       {step{reason: refresh.Missing, before: func(w *world) { w.limits.removed.Note("ns", time.Now()) }}, true},
		"what is new in another namespace":      {step{reason: refresh.Missing, before: func(w *world) { w.limits.removed.Note("other", time.Now()) }}, false},
		"what is new long after": {step{reason: refresh.Missing, before: func(w *world) {
			w.limits.removed.Note("ns", time.Now())
			time.Sleep(repeatWithin)
		}}, false},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t)
				if each.before != nil {
					each.before(w)
				}
				assert.Equal(t, each.want, w.isRepeat(issuance{want: *desired(), have: each.have, reason: each.reason}, time.Now()))
			})
		})
	}
}

// 100 ServiceAccounts are toggled between two policies, with only what their own budgets leave them to wait for.
func TestNamespaceThatTogglesPoliciesGetsHalfOfIAM(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const requests, qps, minutes = 5, 20, 2
		s := shared{world: newWorld(t), turns: limit.NewRequests(qps), requests: requests}
		s.managed.IAM = s
		s.asked.Managed = &identity.ManagedRole{Policy: "{}"}
		renew := func(key identity.Key, i int, have refresh.State, reason refresh.Reason) {
			want := *s.asked
			want.Key, want.SessionDuration = key, time.Hour+time.Duration(i)*time.Second
			_, err := s.issue(t.Context(), s.world, issuance{want: want, have: have, reason: reason})
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

func TestRemovalsCountAsRepeats(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := shared{world: newWorld(t), turns: limit.NewRequests(2)}
		s.managed.IAM = s
		s.held, s.role = true, &identity.Role{ID: "AROA1"}
		require.NoError(t, s.turns.Wait(limit.Repeats(t.Context(), "ns")))
		start := time.Now()
		s.asked = nil
		_, err := s.syncFast()
		require.ErrorIs(t, err, errNeedsIAM)
		assert.True(t, s.limits.removed.Has("ns", time.Now()), "what is made in its place goes with it, although it still waits for IAM")
		s.serve()
		assert.Positive(t, time.Since(start), "it waits for the namespace's share")
	})
}

func TestIdentityThatIsTriedAndDeletedIsARepeatOfItsNamespace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		first := issuance{want: *desired(), reason: refresh.Missing}
		w.assumeErr = errSTS
		assert.False(t, w.isRepeat(first, time.Now()))
		_, err := w.sync()
		require.ErrorIs(t, err, errSTS)
		assert.True(t, w.isRepeat(first, time.Now()), "it was tried before")

		other := first
		other.want.Name = "other"
		assert.False(t, w.isRepeat(other, time.Now()))
		w.asked = nil
		w.serve()
		assert.True(t, w.isRepeat(other, time.Now()), "what is new may be in place of what was deleted")
		time.Sleep(repeatWithin)
		assert.False(t, w.isRepeat(other, time.Now()))
	})
}
