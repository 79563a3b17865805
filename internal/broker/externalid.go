package broker

import (
	"context"
	"fmt"
	"time"

	"github.com/go-kit/log/level"

	"kube-aws-iam-controller/internal/api"
	"kube-aws-iam-controller/internal/identity"
	"kube-aws-iam-controller/internal/refresh"
)

// checkLasts is how long a role is believed to enforce its external ID: its owner can
// drop the condition any day.
const checkLasts = 24 * time.Hour

// externalIDCheck says when which role was seen to refuse another external ID.
type externalIDCheck struct {
	role string
	at   time.Time
}

// checkedAt returns when the role of an identity was checked, the zero Time for never.
func (b *Broker) checkedAt(key identity.Key, role string) time.Time {
	if check := b.records.of(key).check; check.role == role {
		return check.at
	}
	return time.Time{}
}

// checkExternalID makes sure that an existing role enforces its external ID, where that
// is required, and returns when it was last seen to. Without that, whoever can name
// the role in any namespace of the cluster could use it.
//
// The time is kept on the Secret, for people, and to know what was issued before checks
// were required. It is not believed: tenants write Secrets, under any name. So each
// process checks a role again at the first renewal, which costs nothing of what is
// fresh. What STS does not answer turns neither a yes into a no nor a no into a yes.
func (b *Broker) checkExternalID(ctx context.Context, want identity.Desired) (time.Time, error) {
	if !b.mayRequireCheck(want) || b.isManaged(ctx, want) {
		return time.Time{}, nil
	}
	role, err := b.Sessions.Resolve(ctx, want)
	if err != nil {
		return time.Time{}, notAssumed(want, err)
	}
	required, err := b.requiresCheck(ctx, role)
	if err != nil || !required {
		return time.Time{}, err
	}
	now, checked := time.Now(), b.checkedAt(want.Key, role.String())
	if now.Sub(checked) < checkLasts-want.SessionDuration { // it outlasts the session
		return checked, nil
	}
	err = b.enforcesExternalID(ctx, want, role.String())
	if err != nil && !checked.IsZero() && reasonOf(err) != api.ExternalIDNotEnforced {
		level.Warn(b.Logger).Log("msg", "cannot see whether the role still asks for its external ID", "object", want.Key, "role", role, "err", err)
		return checked, nil
	}
	return now, err
}

// mayRequireCheck returns whether any role that want could ask for has to be checked.
// Those of AWSIAMRoles worked with the predecessor, which had no external ID: they are
// checked only with all.
func (b *Broker) mayRequireCheck(want identity.Desired) bool {
	return b.RequireExternalID == identity.CheckAll ||
		b.RequireExternalID == identity.CheckOtherAccounts && want.Source == identity.ServiceAccount
}

// requiresCheck returns whether a role has to be checked: any, or one of another
// account than the controller's own. There a role often trusts the controller's whole
// account, or takes any external ID, and nobody in this account can mend that. It is
// the account of the principal that trust policies name, wherever names of roles are
// looked up.
func (b *Broker) requiresCheck(ctx context.Context, role identity.RoleReference) (bool, error) {
	if b.RequireExternalID == identity.CheckAll {
		return true, nil
	}
	own, err := b.Sessions.Account(ctx)
	if err != nil {
		return false, err
	}
	return role.Partition != own.Partition || role.Account != own.Account, nil
}

// revokesUnenforced returns whether credentials are removed of a role that does not
// enforce its external ID. What was issued by an earlier version, which did not require
// that, lives until it runs out, unless it is required of all roles: an upgrade takes
// nothing away. There is no grace beyond that, because nothing but the Secret, which
// tenants write, would say who was served before and could claim it.
func (b *Broker) revokesUnenforced(want identity.Desired, have refresh.State) bool {
	if have.Edited {
		return true
	}
	return have.SpecHash == want.SpecHash() && (b.RequireExternalID == identity.CheckAll || !have.Proven.IsZero())
}

// isManaged returns whether what was last good is the managed role of the same object,
// the trust policy of which the controller wrote. STS tells whether it still has the
// unique ID.
func (b *Broker) isManaged(ctx context.Context, want identity.Desired) bool {
	if want.RoleID == "" {
		return false
	}
	_, managed, err := b.namedRole(ctx, want.Key, refresh.State{RoleARN: want.Role.String()})
	return err == nil && managed
}

// confirmExternalID checks a role that was checked just now once more, after it could
// be assumed: a role that is not seen everywhere yet refuses everybody.
func (b *Broker) confirmExternalID(ctx context.Context, want identity.Desired, role string) error {
	if want.Proven.IsZero() || want.Proven.Equal(b.checkedAt(want.Key, role)) {
		return nil
	}
	if err := b.enforcesExternalID(ctx, want, role); err != nil {
		return err
	}
	b.records.update(want.Key, func(r *record) { r.check = externalIDCheck{role: role, at: want.Proven} })
	return nil
}

// enforcesExternalID returns an error unless STS refuses to let a role be assumed under
// another external ID.
func (b *Broker) enforcesExternalID(ctx context.Context, want identity.Desired, role string) error {
	switch refuses, err := b.Sessions.RefusesOthers(ctx, want); {
	case err != nil:
		return notAssumed(want, fmt.Errorf("see whether it asks for its external ID: %w", err))
	case refuses:
		return nil
	}
	b.records.update(want.Key, func(r *record) { r.check = externalIDCheck{} })
	return &identity.StepError{
		Reason: api.ExternalIDNotEnforced,
		Message: fmt.Sprintf("role '%s' can be assumed under any external ID, so every namespace could use it: have its trust policy ask for sts:ExternalId %s, as the one that the command trust-policy prints",
			role, identity.Quote(want.ExternalID)),
	}
}
