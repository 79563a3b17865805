// Package broker serves an identity: it is the one place that knows the order
// of the steps from what an object asks for to a Secret with credentials.
package broker

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/go-kit/log"
	"github.com/go-kit/log/level"

	"kube-aws-iam-controller/internal/api"
	"kube-aws-iam-controller/internal/identity"
	"kube-aws-iam-controller/internal/refresh"
)

// Config is what a Broker works with.
type Config struct {
	Sources  map[identity.Source]Source
	Rules    Rules
	Sessions Sessions
	// Roles and Holder are for ServiceAccounts.
	Roles    Roles
	Holder   Holder
	Secrets  Secrets
	Reporter Reporter
	Metrics  Metrics
	Logger   log.Logger
	// RefreshLimit is how long before they run out credentials are renewed.
	RefreshLimit time.Duration
	// RoleReady is how long a new role may take until it can be assumed.
	RoleReady time.Duration
	// DriftInterval is how often an own role is looked at, 0 for never.
	DriftInterval time.Duration
	// OrphanSweepInterval is how often roles are looked for that nobody asks
	// for, 0 for never.
	OrphanSweepInterval time.Duration
	// Namespace is the only one that is served, "" for all.
	Namespace string
	// RequireExternalID says which existing roles are used only if they refuse
	// another external ID.
	RequireExternalID identity.ExternalIDCheck
}

// A Broker serves identities. Create it with New.
type Broker struct {
	Config
	troubles troubles
	warned   warned
	restores budgets
	removals removals
	relabels budgets
	fresh    freshRoles
	looks    looks
	kept     repeats
	orphans  orphans
	proofs   proofs
}

// New returns a Broker.
func New(config Config) *Broker {
	config.Roles = unhurried{config.Roles}
	config.Reporter = modest{config.Reporter, &tellings{}}
	return &Broker{Config: config}
}

// Begin says that this replica leads from now on: what the one before it did a
// moment ago is not remembered here. It is called once, before anything is synced.
func (b *Broker) Begin() { b.fresh.begin = time.Now() }

// Deadline returns when the credentials of an identity run out, the zero Time
// for one that waits: it has none, or what it has is somebody else's writing. But
// who was served just now and wants something again, because a Secret is deleted
// in a loop or its expiration forged, goes behind those whose credentials do run
// out.
func (b *Broker) Deadline(key identity.Key) time.Time {
	have, now := b.Secrets.Observe(key), time.Now()
	at := have.Expiration
	if have.Edited || !at.After(now) {
		at = time.Time{}
	}
	if turn := now.Add(b.RefreshLimit); at.Before(turn) && b.restores.servedOfLate(key, now) {
		return turn
	}
	return at
}

// Sync makes the Secret of one identity be as it should, and returns when to
// look at it again. What is wrong is reported on the object; an error means
// that it is worth another try before that.
func (b *Broker) Sync(ctx context.Context, key identity.Key) (time.Duration, error) {
	again, failure := b.show(ctx, key) // first: pods are created meanwhile
	next, err := b.syncCredentials(ctx, key)
	wait, failed := b.relabel(ctx, key) // after a renewal, which writes labels, too
	again = sooner(sooner(again, next), wait)
	return sooner(again, b.warn(ctx, key, time.Now())), errors.Join(err, failed, failure)
}

// syncCredentials is Sync of what the Secret holds.
func (b *Broker) syncCredentials(ctx context.Context, key identity.Key) (time.Duration, error) {
	source, known := b.Sources[key.Source]
	if !known {
		return 0, fmt.Errorf("unknown source %q", key.Source)
	}
	asked, err := source.Desired(key)
	var invalid *identity.InvalidError
	if err != nil && !errors.As(err, &invalid) {
		return 0, err
	}
	if asked == nil {
		return b.retire(ctx, source, key)
	}

	want, have := *asked, b.Secrets.Observe(key)
	if want.Managed != nil {
		b.orphans.forget(key) // it has an owner after all
	}
	if err := b.permitted(ctx, key, have); err != nil {
		return b.withdrawInTurn(ctx, source, want, have, err)
	}
	if invalid == nil {
		again, err := b.serveAsked(ctx, source, want, have)
		if !errors.As(err, &invalid) {
			return again, err
		}
	}
	return b.keep(ctx, source, want, have, invalid)
}

// serve renews what is due, and says when to look again. mends says that all is
// well after that. An *identity.InvalidError is for keep.
func (b *Broker) serve(ctx context.Context, source Source, want identity.Desired, have refresh.State, mends bool) (time.Duration, error) {
	if reason, due := b.due(want, have); due {
		return b.renew(ctx, renewal{source: source, want: want, have: have, reason: reason, mends: mends})
	}
	next := refresh.Next(time.Now(), have, b.RefreshLimit)
	if mends {
		b.troubles.clear(want.Key)
		if want.Managed == nil {
			if again, err := b.partInTurn(ctx, want.Key); again > 0 || err != nil {
				return sooner(again, next), err // no work at IAM delays a renewal
			}
		}
	}
	err := b.report(ctx, source, want, have) // first: what follows may have to wait for IAM
	if want.Managed != nil && b.DriftInterval > 0 {
		again, failure := b.inspect(ctx, source, want, have)
		next, err = sooner(next, again), errors.Join(err, failure)
	}
	return next, err
}

// sooner returns the shorter of two delays, of which 0 is none.
func sooner(a, b time.Duration) time.Duration {
	if a == 0 || b == 0 {
		return max(a, b)
	}
	return min(a, b)
}

// keep reports what no other try mends. A change of the object, or of what it
// may, brings us back; the last good credentials are kept fresh until then.
func (b *Broker) keep(ctx context.Context, source Source, want identity.Desired, have refresh.State, invalid *identity.InvalidError) (time.Duration, error) {
	unsaid := b.complain(ctx, want, have, invalid.Reason, invalid)
	if last, kept := lastGood(want, have); kept {
		again, err := b.serve(ctx, source, last, have, false)
		if !errors.As(err, &invalid) {
			return sooner(sooner(again, unsaid), repeatAfter), err
		}
	}
	if have.Exists && invalid.Reason == api.RoleNotPermitted {
		return b.withdrawInTurn(ctx, source, want, have, invalid) // whosever these are
	}
	return sooner(unsaid, repeatAfter), b.report(ctx, source, want, have)
}

// due returns why want needs new credentials, if it does: also if those it has
// are of an own role that was gone and has been, or is yet to be, made anew.
func (b *Broker) due(want identity.Desired, have refresh.State) (refresh.Reason, bool) {
	reason, due := refresh.Due(time.Now(), want, have, b.RefreshLimit)
	// With less than all, which is the default, an upgrade renews nothing for that:
	// what was issued before lives until it is due.
	if !due && b.RequireExternalID == identity.CheckAll && want.Managed == nil && want.RoleID == "" && have.Proven.IsZero() {
		return refresh.SpecChanged, true // what is asked of roles did
	}
	if due || want.Managed == nil || b.Roles.Disabled() != nil {
		return reason, due
	}
	if have.RoleID == "" || b.fresh.id(want.Key, have.RoleID) != have.RoleID {
		return refresh.SpecChanged, true
	}
	return reason, due
}

// renewal is one renewal: of what, why, and whether it makes all well.
type renewal struct {
	source Source
	want   identity.Desired
	have   refresh.State
	reason refresh.Reason
	mends  bool
}

// renew gets new credentials and stores them. What is there stays if it fails.
func (b *Broker) renew(ctx context.Context, r renewal) (time.Duration, error) {
	source, want, have, reason := r.source, r.want, r.have, r.reason
	// All reasons can be brought about at will, running out by a forged
	// expiration. What truly runs out never exhausts the budget.
	if wait := b.restores.spend(want.Key, time.Now()); wait > 0 {
		return wait, nil
	}
	start := time.Now()
	creds, created, err := b.issue(b.marked(ctx, want, have, reason), &want, have, reason)
	if errors.Is(err, ErrSlow) {
		b.restores.giveBack(want.Key, time.Now())
		return 0, err
	}
	b.restores.tried(want.Key, time.Now())
	if have.Unreadable != "" {
		b.Reporter.Warn(ctx, want, false, api.ReadSecretFailed, fmt.Sprintf(
			"Failed to parse expirary time '%s' from secret %s/%s: not a time", have.Unreadable, want.Namespace, want.SecretName))
	}
	if err != nil && b.fresh.within(want.Key, time.Now(), b.RoleReady) && isSoon(want, err) {
		level.Debug(b.Logger).Log("msg", "the new role is not ready yet", "object", want.Key, "err", err)
		return b.fresh.patience(want.Key, time.Now()), nil
	}
	b.Metrics.ObserveRefresh(string(want.Source), string(reason), result(err), time.Since(start))
	if _, is := errors.AsType[*identity.InvalidError](err); is {
		return 0, err
	}
	if err != nil {
		b.complain(ctx, want, have, reasonOf(err), err)
		if reasonOf(err) == api.ExternalIDNotEnforced && b.withdraws(want, have) {
			err = errors.Join(err, b.Secrets.Remove(ctx, want.Key))
			have = refresh.State{}
		}
		err = errors.Join(err, b.report(ctx, source, want, have))
		return refresh.Patience(time.Now(), have), err
	}

	if r.mends {
		b.troubles.clear(want.Key)
	}
	b.restores.served(want.Key, time.Now())
	b.celebrate(ctx, want, creds, created)
	level.Info(b.Logger).Log("msg", "credentials written", "object", want.Key, "role", creds.RoleARN,
		"reason", reason, "expire", creds.Expiration.Format(time.RFC3339))
	// What there is to report waits for another turn, behind the identities
	// that still have nothing. The Secret's own event brings it about; this
	// is for the case that it does not come.
	return settled, nil
}

// settled is when to look again after a write that nothing was heard of: later
// than an own write is believed without being seen.
const settled = 35 * time.Second

// issue asks for credentials and stores them.
func (b *Broker) issue(
	ctx context.Context, want *identity.Desired, have refresh.State, reason refresh.Reason,
) (creds identity.Credentials, created bool, err error) {
	if err = b.Secrets.Free(ctx, *want); err != nil {
		return creds, false, err
	}
	if err = b.permit(ctx, *want); err != nil {
		return creds, false, err
	}
	if want.Managed != nil {
		err = b.provide(ctx, want, have, reason)
	} else {
		want.Proven, err = b.prove(ctx, *want)
	}
	if err != nil {
		return creds, false, err
	}
	if creds, err = b.Sessions.Assume(ctx, *want); err != nil {
		return creds, false, notAssumed(*want, err)
	}
	// Of the very role that was assumed, by the rules as they are by now.
	if err = b.permitted(ctx, want.Key, refresh.State{Exists: true, RoleARN: creds.RoleARN}); err != nil {
		return creds, false, notAssumed(*want, err)
	}
	if err = b.confirm(ctx, *want, creds.RoleARN); err != nil {
		return creds, false, err
	}
	_, created, err = b.Secrets.Apply(ctx, *want, creds)
	return creds, created, err
}

// notAssumed says that there are no credentials for want.
func notAssumed(want identity.Desired, err error) error {
	if _, is := errors.AsType[*identity.InvalidError](err); is {
		return err
	}
	return &identity.StepError{
		Reason:  api.GetCredentialsFailed,
		Message: fmt.Sprintf("Failed to get credentials for role '%s': %v", want.Role, err),
		Err:     err,
	}
}

// retire removes what an identity had that nobody asks for any more: its role,
// if that was made for it, then its Secret.
func (b *Broker) retire(ctx context.Context, source Source, key identity.Key) (time.Duration, error) {
	b.troubles.clear(key)
	have := b.Secrets.Observe(key)
	held := b.holds(key)
	if !have.Exists && !held {
		if b.restores.triedOfLate(key, time.Now()) {
			b.removals.note(key.Namespace, time.Now()) // its Secret went with it
		}
		b.Secrets.Forget(key)
		b.proofs.forget(key)
		b.looks.forget(key)
		b.kept.forget(key)
		return 0, nil
	}
	if again, err := b.mayRemove(ctx, key, held); again > 0 || err != nil {
		return again, err
	}
	// A cache that lacks the object is not proof enough to delete by.
	released, err := source.Release(ctx, key)
	if err == nil && !released {
		b.orphans.forget(key)
	}
	if err != nil || !released {
		return 0, err
	}
	id := have.RoleID
	if have.Edited {
		id = "" // whoever wrote it could keep the role
	}
	if again, err := b.dispose(ctx, key, id); again > 0 || err != nil {
		return again, err
	}
	if have.Exists {
		if err := b.Secrets.Remove(ctx, key); err != nil {
			return 0, err
		}
		level.Info(b.Logger).Log("msg", "credentials removed", "object", key, "role", have.RoleARN)
	}
	if held {
		return 0, b.Holder.LetGo(ctx, key)
	}
	return 0, nil
}
