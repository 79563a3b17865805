package broker

import (
	"context"

	"kube-aws-iam-controller/internal/identity"
	"kube-aws-iam-controller/internal/refresh"
)

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
// of STS is over, every renewal would have to wait for IAM. Nor does a change of the
// session policy, which is none of the role.
func (b *Broker) roleFrom(ctx context.Context, f facts) (roleFrom, error) {
	_, named, err := b.namedRole(ctx, f.key, f.have)
	if err != nil {
		return fromIAM, identity.NotAssumed(*f.asked, err)
	}
	failure, sameRole := b.Status.Failure(f.key), f.asked.IsRoleOf(f.have.SpecHash)
	onlyPolicy := sameRole && f.have.SpecHash != f.asked.SpecHash()
	if named && (f.due == refresh.NearExpiry || onlyPolicy) && (failure == nil || !failure.Role) {
		return fromSecret, nil
	}
	if _, recent := b.Roles.Recent(*f.asked); recent {
		return fromMemory, nil
	}
	disabled := b.Roles.Disabled()
	if disabled != nil && named && sameRole {
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

// lastGood returns want as credentials were last issued for it, nil if they never
// were. A Secret that was edited is no witness. Nor is one without the session policy
// that its hash covers: credentials that were limited are never renewed without a limit.
func lastGood(want identity.Desired, have refresh.State) *identity.Desired {
	role, err := identity.ParseRole(have.RoleARN)
	if err != nil || !have.Exists || have.Edited || have.Expiration.IsZero() || !identity.Covers(have.SpecHash, have.SessionPolicy) {
		return nil
	}
	session := max(identity.MinSession, min(have.Session, identity.MaxSession))
	last := want.LastGood(role, session, have.SessionPolicy, have.SpecHash)
	last.RoleID = have.RoleID // by which a managed role is known once it is asked for again
	return &last
}
