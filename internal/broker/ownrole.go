package broker

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/go-kit/log/level"

	"kube-aws-iam-controller/internal/api"
	"kube-aws-iam-controller/internal/identity"
	"kube-aws-iam-controller/internal/limit"
	"kube-aws-iam-controller/internal/refresh"
)

// provide fills in the role of an object's own. A renewal of what was already
// served can do without IAM, unless STS refused the role itself: where STS was away
// or in trouble, all would otherwise have to queue for IAM once it is well.
func (b *Broker) provide(ctx context.Context, want *identity.Desired, have refresh.State, reason refresh.Reason) error {
	known, is, err := b.ownRole(ctx, want.Key, have)
	if err != nil {
		return notAssumed(*want, err)
	}
	renews := is && reason == refresh.NearExpiry
	// IAM may be in trouble: that is none of a renewal's.
	if before, _ := b.troubles.of(want.Key); renews && !before.role {
		want.Role, want.RoleID = known, have.RoleID
		return nil
	}
	if role, made := b.fresh.made(*want, time.Now(), b.RoleReady); made {
		want.Role, want.RoleID = role.ARN, role.ID
		return nil
	}
	if disabled := b.Roles.Disabled(); disabled != nil {
		if is && have.SpecHash == want.SpecHash() {
			want.Role, want.RoleID = known, have.RoleID
			return nil // what was made before is used on
		}
		return disabled
	}
	// The object first: a role may never be left that nobody knows of.
	if err = b.Holder.Hold(ctx, *want); err != nil {
		return &identity.StepError{Reason: api.ProvisionFailed, Message: fmt.Sprintf("Failed to hold the ServiceAccount: %v", err), Err: err}
	}
	role, err := b.ensure(ctx, *want, have)
	if err != nil && renews && reasonOf(err) == api.ProvisionFailed {
		want.Role, want.RoleID = known, have.RoleID
		return nil // the role may be well although IAM is not
	}
	if err != nil && !role.Created {
		return err
	}
	want.Role, want.RoleID = role.ARN, role.ID
	b.welcome(*want, role)
	b.fresh.note(*want, role, err == nil)
	return err
}

// ownRole returns the role that a Secret names, and whether that can be the one
// that was made for its identity. Tenants write Secrets, and what is made for an
// identity is not proven to ask for an external ID. The path may be one that was
// set before.
func (b *Broker) ownRole(ctx context.Context, key identity.Key, have refresh.State) (identity.RoleReference, bool, error) {
	known, err := identity.ParseRole(have.RoleARN)
	if err != nil {
		return known, false, nil //nolint:nilerr // it names none
	}
	made, err := b.Roles.Reference(ctx, key)
	return known, err == nil && known.Partition == made.Partition && known.Account == made.Account && known.Name == made.Name, err
}

// ensure makes the role be there and as want asks. The id of one that somebody
// deleted is forgotten before there is another: after a crash that would be taken
// for a stranger's.
func (b *Broker) ensure(ctx context.Context, want identity.Desired, have refresh.State) (identity.Role, error) {
	role, err := b.Roles.Ensure(ctx, want, b.fresh.id(want.Key, have.RoleID))
	b.tellKept(ctx, want, role)
	if !errors.Is(err, identity.ErrRoleGone) {
		return role, err
	}
	if err = b.Secrets.ForgetRole(ctx, want.Key); err != nil {
		return role, err
	}
	b.fresh.disown(want.Key)
	return b.Roles.Ensure(ctx, want, "")
}

// welcome tells of a role that was made or changed.
func (b *Broker) welcome(want identity.Desired, role identity.Role) {
	b.tellRenewed(want, role)
	switch changed := strings.Join(role.Changed, ", "); {
	case role.Created:
		b.Reporter.Normal(want, api.RoleCreated, fmt.Sprintf("Created role '%s'", role.ARN))
		level.Info(b.Logger).Log("msg", "role created", "object", want.Key, "role", role.ARN)
	case changed != "" && !b.fresh.unfinished(want.Key):
		b.Reporter.Normal(want, api.RoleUpdated, fmt.Sprintf("Updated role '%s': %s", role.ARN, changed))
		level.Info(b.Logger).Log("msg", "role updated", "object", want.Key, "role", role.ARN, "changed", changed)
	}
}

// isSoon says whether an error is one that a new managed role brings about by
// itself: IAM does not show it everywhere yet, or STS does not know it. Whatever
// else goes wrong meanwhile is for somebody to mend.
func isSoon(want identity.Desired, err error) bool {
	if want.Managed == nil {
		return false
	}
	step, is := errors.AsType[*identity.StepError](err)
	return is && step.Soon || errors.Is(err, identity.ErrNotAssumable)
}

// refusesRole says whether STS refused a role for what it is like in IAM, which can
// be mended there.
func refusesRole(err error) bool {
	return errors.Is(err, identity.ErrNotAssumable) || errors.Is(err, identity.ErrRoleUnfit)
}

// holds says whether a role may have been made for an identity.
func (b *Broker) holds(key identity.Key) bool {
	if key.Source != identity.ServiceAccount {
		return false
	}
	_, held, _ := b.Holder.Held(key)
	_, made := b.fresh.of(key) // whoever took the finalizer off
	return held || made || b.orphans.id(key) != ""
}

// part takes away a role of its own from an object that uses another by now,
// and lets the object go. It returns how soon to come back, 0 if all is done.
func (b *Broker) part(ctx context.Context, key identity.Key) (time.Duration, error) {
	if !b.holds(key) {
		return 0, nil
	}
	if again, err := b.dispose(ctx, key, ""); again > 0 || err != nil {
		return again, err
	}
	return 0, b.Holder.LetGo(ctx, key)
}

// unproven is how long to wait before a role that cannot be seen is looked for
// again.
const unproven = 10 * time.Second

// nobody is a Reporter that tells nobody.
type nobody struct{}

func (nobody) Normal(identity.Desired, string, string) {}

func (nobody) Warn(context.Context, identity.Desired, bool, string, string) {}

// dispose deletes the role that was made for an identity, or marks it as kept.
// It returns how soon to come back, 0 if there is nothing left to do. A role
// that is not the identity's is left alone, and said to be.
func (b *Broker) dispose(ctx context.Context, key identity.Key, id string) (time.Duration, error) {
	if !b.holds(key) {
		return 0, nil
	}
	uid, _, retain := b.Holder.Held(key)
	tell := b.Reporter
	if uid == "" {
		tell = nobody{} // an event needs an object
	}
	want := identity.Desired{Key: key, UID: uid}
	end, told := b.Roles.Delete, "Deleted the role that was made for this ServiceAccount"
	if retain {
		end, told = b.Roles.Retain, "The role that was made for this ServiceAccount is kept, with the tag retained=true"
	}
	there, err := end(limit.Repeats(ctx, key.Namespace), key, cmp.Or(b.orphans.id(key), b.fresh.id(key, id)))
	var step *identity.StepError
	switch {
	case errors.As(err, &step) && step.Reason == api.RoleNotOwned:
		tell.Warn(ctx, want, false, step.Reason, step.Message)
	case err != nil:
		tell.Warn(ctx, want, false, reasonOf(err), err.Error())
		return 0, err
	case there:
		tell.Normal(want, api.RoleDeleted, told)
		level.Info(b.Logger).Log("msg", "role disposed of", "object", want.Key, "retained", retain)
	default:
		// IAM shows a new role only after a while.
		if left := b.fresh.uncertain(key, time.Now(), b.RoleReady); left > 0 {
			return min(left, unproven), nil
		}
	}
	b.fresh.forget(key)
	b.orphans.forget(key)
	return 0, nil
}
