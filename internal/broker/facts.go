package broker

import (
	"context"
	"errors"
	"time"

	"kube-aws-iam-controller/internal/identity"
	"kube-aws-iam-controller/internal/refresh"
)

// facts are everything that a decision depends on.
type facts struct {
	key          identity.Key
	now          time.Time
	refreshLimit time.Duration

	// asked is what the object requests, nil if it is gone or requests nothing.
	asked *identity.Desired
	// refusal is why the request cannot be served, whatever AWS says: it is malformed, not
	// permitted, or for a managed role where none are created.
	refusal *identity.InvalidError
	// unread is why the request is not fully known yet; asked then holds what is known.
	unread error
	// unknown is why it is not known whether the request is permitted.
	unknown error
	// due is why asked needs new credentials, "" if it does not.
	due refresh.Reason
	// role says where to take a managed role from.
	role roleFrom

	// have is what the Secret's metadata says.
	have refresh.State
	// revoked is why the object may not use the role that its credentials belong to.
	revoked *identity.InvalidError
	// lastGood is asked as credentials were last issued for it, nil if they never were.
	lastGood *identity.Desired
	// lastGoodDue is why lastGood needs new credentials, "" if it does not.
	lastGoodDue refresh.Reason
	// lastGoodFailed says that renewing lastGood failed in this sync.
	lastGoodFailed bool

	// failing says that the last attempt failed.
	failing bool
	// roleMayExist says that a managed role may have been created.
	roleMayExist bool
	// inspect says that the managed role has to be inspected for drift.
	inspect bool
	// inspectIn is the time until then, 0 for never.
	inspectIn time.Duration
	// inspectFailed says that the last inspection failed.
	inspectFailed bool
}

// roleFrom is where to take the requested managed role from.
type roleFrom int

const (
	// fromIAM: it has to be ensured.
	fromIAM roleFrom = iota
	// fromSecret: the Secret names it, and only its credentials have to be renewed.
	fromSecret
	// fromMemory: it was ensured a short while ago.
	fromMemory
)

// observe collects the facts. It makes no calls except for rules that are in no cache,
// and for the controller's own account. An error means that nothing can be decided.
func (b *Broker) observe(ctx context.Context, source Source, key identity.Key) (facts, error) {
	asked, err := source.Desired(ctx, key)
	refusal, malformed := errors.AsType[*identity.InvalidError](err)
	if err != nil && asked == nil {
		return facts{}, err
	}
	f := facts{
		key: key, now: time.Now(), refreshLimit: b.RefreshLimit,
		asked: asked, have: b.Secrets.Observe(key), roleMayExist: b.Roles.MayExist(key),
	}
	if asked == nil {
		return f, nil
	}
	if asked.Managed != nil {
		b.Roles.HasOwner(key)
	}
	if f.refusal, f.failing = refusal, b.Status.Failure(key) != nil; !malformed {
		f.unread = err
	}
	if f.lastGood = lastGood(*asked, f.have); f.lastGood != nil {
		f.lastGoodDue = b.due(*f.lastGood, f)
	}
	readable := f.refusal == nil && f.unread == nil
	if readable {
		f.due = b.due(*asked, f)
	}
	if err = b.observeRevocation(ctx, &f); err == nil && readable {
		b.observeAsked(ctx, &f)
	}
	return f, err
}

// observeRevocation finds out whether the object may still have its credentials,
// because rules change while credentials are valid. It makes no call to determine whose
// they are. A malformed rule withdraws nothing.
func (b *Broker) observeRevocation(ctx context.Context, f *facts) error {
	role, err := identity.ParseRole(f.have.RoleARN)
	if err != nil || !f.have.Exists {
		return nil //nolint:nilerr // it has none, or new ones are due and asked about
	}
	err = b.permitted(ctx, f.key, role)
	refusal, refused := errors.AsType[*identity.InvalidError](err)
	if !refused {
		return err
	}
	if !refusal.RuleMalformed {
		f.revoked = refusal
	}
	return nil
}

// observeAsked finds out whether the request may be served if it is due, and otherwise
// whether its role is to be inspected.
func (b *Broker) observeAsked(ctx context.Context, f *facts) {
	if f.due == "" {
		if wait, is := b.inspectIn(*f); is {
			f.inspect, f.inspectIn, f.inspectFailed = wait <= 0, max(wait, 0), b.Roles.InspectFailed(f.key)
		}
		return
	}
	err := b.permit(ctx, *f.asked)
	if err == nil && f.asked.Managed != nil {
		f.role, err = b.roleFrom(ctx, *f)
	}
	var refused bool
	if f.refusal, refused = errors.AsType[*identity.InvalidError](err); !refused {
		f.unknown = err
	}
}

// inspectIn returns the time until the requested managed role has to be inspected.
func (b *Broker) inspectIn(f facts) (time.Duration, bool) {
	if f.asked.Managed == nil {
		return 0, false
	}
	return b.Roles.InspectIn(f.key)
}
