package broker

import (
	"context"

	"kube-aws-iam-controller/internal/identity"
	"kube-aws-iam-controller/internal/refresh"
)

// due returns why want needs new credentials, "" if it does not. It does if its
// credentials are those of a managed role that was gone and was created again, or still
// has to be.
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

// roleFrom returns where to take the managed role from when credentials are due. A
// renewal does not ask IAM unless STS refused the role itself; otherwise every renewal
// after an STS outage would wait for IAM. A change of the session policy does not ask
// IAM either, because it does not affect the role.
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

// namedRole returns the role that a Secret names, and whether it can be the managed
// role of the identity: tenants write Secrets, and managed roles are exempt from the
// external ID check. The path is not compared, because it may be one that was
// configured earlier.
func (b *Broker) namedRole(ctx context.Context, key identity.Key, have refresh.State) (identity.RoleReference, bool, error) {
	named, err := identity.ParseRole(have.RoleARN)
	if err != nil {
		return named, false, nil //nolint:nilerr // it names none
	}
	made, err := b.Roles.Reference(ctx, key)
	return named, err == nil && named.Partition == made.Partition && named.Account == made.Account && named.Name == made.Name, err
}

// lastGood returns want as credentials were last issued for it, nil if they never were.
// An edited Secret proves nothing, nor does one without the session policy that its
// hash covers: limited credentials are never renewed without the limit.
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
