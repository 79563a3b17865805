package broker

import (
	"context"
	"errors"
	"time"

	"kube-aws-iam-controller/internal/identity"
	"kube-aws-iam-controller/internal/refresh"
)

// serveAsked serves want. While what was asked for since cannot be served, whoever
// refuses it, what was last good stays fresh: it is renewed before the change is
// tried again.
func (b *Broker) serveAsked(ctx context.Context, source Source, want identity.Desired, have refresh.State) (time.Duration, error) {
	if last, expiring := b.expiringLastGood(want, have); expiring {
		if again, err := b.serve(ctx, source, last, have, false); err == nil {
			return again, nil // the write's own event brings the change back
		}
	}
	again, err := b.serve(ctx, source, want, have, true)
	if errors.Is(err, ErrSlow) && have.Valid(time.Now()) {
		again = meanwhile(time.Now(), have, b.RefreshLimit)
	}
	return again, err
}

// meanwhile returns when to look again at credentials of which a change waits for
// IAM, however long that takes: once they are to be renewed, and from then on, where
// that failed, as patiently as after any failure.
func meanwhile(now time.Time, have refresh.State, limit time.Duration) time.Duration {
	if next := refresh.Next(now, have, limit); next > time.Second {
		return next
	}
	return refresh.Patience(now, have)
}

// expiringLastGood returns what credentials were last issued for, if they run out
// while something else is asked for. A change that is seen for the first time is
// tried at once where nothing is left to lose.
func (b *Broker) expiringLastGood(want identity.Desired, have refresh.State) (identity.Desired, bool) {
	now := time.Now()
	if reason, due := b.due(want, have); !due || reason != refresh.SpecChanged {
		return want, false
	}
	last, kept := lastGood(want, have)
	_, failing := b.troubles.of(want.Key)
	if !kept || !failing && !have.Valid(now) {
		return want, false
	}
	reason, due := refresh.Due(now, last, have, b.RefreshLimit)
	return last, due && reason == refresh.NearExpiry
}

// lastGood returns want as credentials were last issued for it, and whether
// they ever were. A Secret that somebody edited is no witness.
func lastGood(want identity.Desired, have refresh.State) (identity.Desired, bool) {
	role, err := identity.ParseRole(have.RoleARN)
	if err != nil || !have.Exists || have.Edited || have.Expiration.IsZero() {
		return want, false
	}
	session := max(identity.MinSession, min(have.Session, identity.MaxSession))
	last := want.LastGood(role, session, have.SpecHash)
	last.RoleID = have.RoleID // by which an own role is known once it is asked for again
	return last, true
}
