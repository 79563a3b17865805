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
	asked, err := source.Desired(key)
	refusal, malformed := errors.AsType[*identity.InvalidError](err)
	if err != nil && !malformed {
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
	f.refusal, f.failing = refusal, b.Status.Failure(key) != nil
	if err = b.observeRevocation(ctx, &f); err != nil {
		return f, err
	}
	f.lastGood = lastGood(*asked, f.have)
	if f.lastGood != nil {
		f.lastGoodDue = b.due(*f.lastGood, f)
	}
	if f.refusal == nil {
		b.observeAsked(ctx, &f)
	}
	return f, nil
}

// observeRevocation asks whether the object may have the credentials that it has:
// rules change while those live. It takes no call to know whose they are.
func (b *Broker) observeRevocation(ctx context.Context, f *facts) error {
	role, err := identity.ParseRole(f.have.RoleARN)
	if err != nil || !f.have.Exists {
		return nil //nolint:nilerr // it has none, or new ones are due and asked about
	}
	err = b.permitted(ctx, f.key, role)
	var refused bool
	if f.revoked, refused = errors.AsType[*identity.InvalidError](err); refused {
		return nil
	}
	return err
}

// observeAsked finds out whether what is asked for is due and may be served.
func (b *Broker) observeAsked(ctx context.Context, f *facts) {
	if f.due = b.due(*f.asked, *f); f.due == "" {
		if wait, is := b.inspectIn(*f); is {
			f.inspect, f.inspectIn = wait <= 0, max(wait, 0)
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

// due returns why want needs new credentials, "" if it does not: also if those it has
// are of a managed role that was gone and was made anew, or has yet to be.
func (b *Broker) due(want identity.Desired, f facts) refresh.Reason {
	if reason, due := refresh.Due(f.now, want, f.have, f.refreshLimit); due {
		return reason
	}
	switch id := f.have.RoleID; {
	case want.Managed != nil && b.Roles.Disabled() == nil && (id == "" || b.Roles.ID(want.Key, id) != id),
		want.Managed == nil && want.RoleID == "" && b.ExternalIDs.Reissue(f.have):
		return refresh.SpecChanged
	}
	return ""
}

// roleFrom says where the managed role of credentials that are due is taken from. A
// renewal needs no IAM, unless STS refused the role itself: otherwise, once an outage
// of STS is over, every renewal would have to wait for IAM.
func (b *Broker) roleFrom(ctx context.Context, f facts) (roleFrom, error) {
	_, named, err := b.namedRole(ctx, f.key, f.have)
	if err != nil {
		return fromIAM, identity.NotAssumed(*f.asked, err)
	}
	failure := b.Status.Failure(f.key)
	if named && f.due == refresh.NearExpiry && (failure == nil || !failure.Role) {
		return fromSecret, nil
	}
	if _, recent := b.Roles.Recent(*f.asked); recent {
		return fromMemory, nil
	}
	disabled := b.Roles.Disabled()
	if disabled != nil && named && f.have.SpecHash == f.asked.SpecHash() {
		return fromSecret, nil // what was made before is used on
	}
	return fromIAM, disabled
}

// namedRole returns the role that a Secret names, and whether that can be the managed
// role of the identity. Tenants write Secrets, and a managed role is not checked for
// asking for an external ID. Its path may be one that was configured before.
func (b *Broker) namedRole(ctx context.Context, key identity.Key, have refresh.State) (identity.RoleReference, bool, error) {
	named, err := identity.ParseRole(have.RoleARN)
	if err != nil {
		return named, false, nil //nolint:nilerr // it names none
	}
	made, err := b.Roles.Reference(ctx, key)
	return named, err == nil && named.Partition == made.Partition && named.Account == made.Account && named.Name == made.Name, err
}

// permit returns an error unless want may have the role that it asks for.
func (b *Broker) permit(ctx context.Context, want identity.Desired) error {
	err := b.Rules.Permit(ctx, want.Key, func(ctx context.Context) (identity.RoleReference, error) {
		if want.Managed != nil {
			return b.Roles.Reference(ctx, want.Key)
		}
		return b.Sessions.Resolve(ctx, want)
	})
	if err != nil {
		return identity.NotAssumed(want, err)
	}
	return nil
}

// permitted returns an error unless the object may use the role.
func (b *Broker) permitted(ctx context.Context, key identity.Key, role identity.RoleReference) error {
	return b.Rules.Permit(ctx, key, func(context.Context) (identity.RoleReference, error) { return role, nil })
}

// lastGood returns want as credentials were last issued for it, nil if they never
// were. A Secret that was edited is no witness.
func lastGood(want identity.Desired, have refresh.State) *identity.Desired {
	role, err := identity.ParseRole(have.RoleARN)
	if err != nil || !have.Exists || have.Edited || have.Expiration.IsZero() {
		return nil
	}
	session := max(identity.MinSession, min(have.Session, identity.MaxSession))
	last := want.LastGood(role, session, have.SpecHash)
	last.RoleID = have.RoleID // by which a managed role is known once it is asked for again
	return &last
}
