package broker

import (
	"context"
	"errors"
	"time"

	"kube-aws-iam-controller/internal/identity"
	"kube-aws-iam-controller/internal/refresh"
)

// facts are all that a decision depends on.
type facts struct {
	key          identity.Key
	now          time.Time
	refreshLimit time.Duration

	// asked is what the object asks for, nil if it is gone or asks for nothing.
	asked *identity.Desired
	// refusal is why that cannot be served, whatever AWS says: it is malformed, or not
	// permitted, or asks for a managed role where none are made.
	refusal *identity.InvalidError
	// unread is why it is not known yet what exactly the object asks for: asked is then as
	// much as is known.
	unread error
	// unknown is why it cannot be told whether it is permitted.
	unknown error
	// due is why asked needs credentials, "" if it needs none.
	due refresh.Reason
	// role says where a managed role is taken from.
	role roleFrom

	// have is what the Secret's metadata says.
	have refresh.State
	// revoked is why the object may not use the role that its credentials belong to.
	revoked *identity.InvalidError
	// lastGood is asked as credentials were last issued for it, nil if they never were.
	lastGood *identity.Desired
	// lastGoodDue is why those need to be renewed, "" if they need not.
	lastGoodDue refresh.Reason
	// lastGoodFailed says that they were tried to be renewed in this sync.
	lastGoodFailed bool

	// failing says that the last try failed.
	failing bool
	// roleMayExist says that a managed role may have been made.
	roleMayExist bool
	// inspect says that the managed role is to be inspected for drift.
	inspect bool
	// inspectIn is how long it is until then, 0 for never.
	inspectIn time.Duration
	// inspectFailed says that the last inspection failed.
	inspectFailed bool
}

// roleFrom is where the managed role that is asked for is taken from.
type roleFrom int

const (
	// fromIAM: it has to be ensured.
	fromIAM roleFrom = iota
	// fromSecret: the Secret names it, and its credentials only have to be renewed.
	fromSecret
	// fromMemory: it was ensured a short while ago.
	fromMemory
)

// observe collects the facts. It makes no calls but for rules that are in no cache, and
// for the controller's own account. An error says that nothing can be decided.
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

// observeRevocation asks whether the object may have the credentials that it has:
// rules change while those live. It takes no call to know whose they are. A rule that
// became malformed withdraws nothing.
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

// observeAsked finds out whether what is asked for may be served if it is due, and
// otherwise whether its role is to be inspected.
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

// inspectIn returns how long it is until the managed role that is asked for is to be
// inspected.
func (b *Broker) inspectIn(f facts) (time.Duration, bool) {
	if f.asked.Managed == nil {
		return 0, false
	}
	return b.Roles.InspectIn(f.key)
}
