package broker

import (
	"cmp"
	"context"
	"errors"
	"time"

	"github.com/go-kit/log/level"

	"kube-aws-iam-controller/internal/identity"
	"kube-aws-iam-controller/internal/refresh"
	"kube-aws-iam-controller/internal/status"
)

// act carries out a decision and returns when to look again.
func (b *Broker) act(ctx context.Context, source Source, f facts, d decision) (time.Duration, error) {
	switch d.do {
	case forget:
		b.forget(f.key)
		return 0, nil
	case retire:
		return b.retire(ctx, source, f)
	case revoke:
		return b.revoke(ctx, source, f, d.refusal)
	case refuse:
		b.countRefused(f, d.refusal)
		return b.refuse(ctx, source, f, d.refusal)
	case fail:
		cause := cmp.Or(f.unread, f.unknown)
		b.countRefused(f, cause)
		return b.failed(ctx, source, *f.asked, f, cause)
	case issue:
		return b.issue(ctx, source, issuance{want: *f.asked, have: f.have, reason: f.due, role: f.role})
	case release:
		return b.release(ctx, source, f)
	case inspect:
		return b.inspect(ctx, source, f)
	case renewLastGood, rest:
	}
	return sooner(f.nextRenewal(), f.inspectIn), b.settle(ctx, source, f)
}

// leaveToIAM leaves a decision to a worker that may wait for IAM. Whatever can be
// reported without IAM is reported now.
func (b *Broker) leaveToIAM(ctx context.Context, source Source, f facts, d decision) (Outcome, error) {
	out := Outcome{NeedsIAM: true}
	if d.do == retire {
		b.Status.Clear(f.key)
		b.limits.removed.Note(f.key.Namespace, f.now)
		return out, nil
	}
	out.After = f.meanwhile()
	if d.do == issue {
		return b.prepareRole(ctx, source, f, out)
	}
	if d.do == release {
		b.limits.removed.Note(f.key.Namespace, f.now)
	}
	return out, b.settle(ctx, source, f)
}

// prepareRole does what must precede a managed role and does not need IAM, while the
// identity waits: it checks whether the Secret's name is taken, and adds the finalizer.
func (b *Broker) prepareRole(ctx context.Context, source Source, f facts, out Outcome) (Outcome, error) {
	err := b.Secrets.CheckName(ctx, *f.asked)
	if err == nil {
		err = b.Roles.AddFinalizer(ctx, *f.asked)
	}
	if err == nil {
		return out, nil
	}
	b.countRefused(f, err)
	wait, err := b.failed(ctx, source, *f.asked, f, err)
	return Outcome{After: wait}, err
}

// settle records that the request is served. A failed inspection stays reported until
// the next one, which may have to wait for its turn.
func (b *Broker) settle(ctx context.Context, source Source, f facts) error {
	if !f.inspectFailed {
		b.Status.Clear(f.key)
	}
	return b.Status.Report(ctx, source, *f.asked, f.have)
}

// forget drops the memory of an identity that is gone with everything it had.
func (b *Broker) forget(key identity.Key) {
	if now := time.Now(); b.limits.renewals.Used(key, now) {
		b.limits.removed.Note(key.Namespace, now) // its Secret went with it
	}
	b.Status.Clear(key)
	b.ExternalIDs.Forget(key)
	b.Secrets.Forget(key)
	b.Roles.Forget(key)
}

// revoke removes credentials that the object may not have. Nobody else in its namespace
// can delay that.
func (b *Broker) revoke(ctx context.Context, source Source, f facts, refusal *identity.InvalidError) (time.Duration, error) {
	if wait := b.limits.renewals.TakeOwn(f.key, time.Now()); wait > 0 {
		return wait, nil
	}
	b.Status.RecordFailure(*f.asked, f.have, refusal)
	if err := b.Secrets.Remove(ctx, f.key); err != nil {
		return 0, err
	}
	level.Warn(b.Logger).Log("msg", "credentials revoked", "object", f.key, "role", f.have.RoleARN)
	return status.RepeatAfter, b.Status.Report(ctx, source, *f.asked, refresh.State{})
}

// refuse reports a problem that a retry cannot fix. A change of the object, or of what
// it may use, triggers the next sync.
func (b *Broker) refuse(ctx context.Context, source Source, f facts, refusal *identity.InvalidError) (time.Duration, error) {
	b.Status.RecordFailure(*f.asked, f.have, refusal)
	return f.untilRefusedAgain(), b.Status.Report(ctx, source, *f.asked, f.have)
}

// undecided reports why nothing could be decided, once credentials are due: they are
// about to run out.
func (b *Broker) undecided(ctx context.Context, source Source, f facts, cause error) (time.Duration, error) {
	due := cmp.Or(f.due, f.lastGoodDue)
	if f.asked == nil || due == "" {
		return f.maxBackoff(), cause
	}
	b.Metrics.ObserveRefresh(string(f.key.Source), string(due), 0, cause)
	return b.failed(ctx, source, *f.asked, f, identity.NotAssumed(*f.asked, cause))
}

// countRefused counts credentials that are due but not issued, because no request was
// sent.
func (b *Broker) countRefused(f facts, cause error) {
	if f.due != "" {
		b.Metrics.ObserveRefresh(string(f.key.Source), string(f.due), 0, cause)
	}
}

// untilRefusedAgain returns when to look again at an identity whose change is refused:
// the last good credentials have to be renewed.
func (f facts) untilRefusedAgain() time.Duration {
	if f.lastGood == nil {
		return status.RepeatAfter
	}
	// Credentials that are due could not be renewed: retry as after any failure.
	// Expired ones were left aside for a change that is refused.
	next := f.nextRenewal()
	if next <= time.Second {
		next = cmp.Or(f.maxBackoff(), time.Second)
	}
	return sooner(next, status.RepeatAfter)
}

// renewLastGood renews the credentials that were last issued, for as long as the
// current request is not served.
func (b *Broker) renewLastGood(ctx context.Context, source Source, f facts) (time.Duration, error) {
	if f.refusal != nil {
		b.Status.RecordFailure(*f.asked, f.have, f.refusal)
	}
	return b.issue(ctx, source, issuance{want: *f.lastGood, have: f.have, reason: f.lastGoodDue, lastGood: true})
}

// inspect has the managed role inspected for drift. If the role was gone and was
// created again, the credentials are reissued.
func (b *Broker) inspect(ctx context.Context, source Source, f facts) (time.Duration, error) {
	reported := b.settle(ctx, source, f) // if that fails, the role is inspected all the same
	again, created, err := b.Roles.Inspect(ctx, *f.asked, f.have.RoleID)
	if err != nil {
		b.Status.RecordFailure(*f.asked, f.have, err)
		return f.nextRenewal(), errors.Join(err, reported)
	}
	if created {
		return b.issue(ctx, source, issuance{want: *f.asked, have: f.have, reason: refresh.SpecChanged, role: fromMemory})
	}
	if f.inspectFailed && !b.Roles.InspectFailed(f.key) {
		f.inspectFailed = false
		reported = b.settle(ctx, source, f)
	}
	return sooner(f.nextRenewal(), again), reported
}
