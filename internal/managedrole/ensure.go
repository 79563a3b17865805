package managedrole

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/go-kit/log/level"

	"kube-aws-iam-controller/internal/api"
	"kube-aws-iam-controller/internal/identity"
)

// AddFinalizer adds the finalizer to the object of want. It must precede the creation
// of the role, so that no role is left without an owner.
func (m *Manager) AddFinalizer(ctx context.Context, want identity.Desired) error {
	if err := m.Finalizers.AddFinalizer(ctx, want); err != nil {
		return &identity.StepError{
			Reason: api.ProvisionFailed, Message: fmt.Sprintf("Failed to prepare the ServiceAccount for its managed role: %v", err), Err: err,
		}
	}
	return nil
}

// Ensure makes the role of want exist and match the request. id is its unique ID
// according to the Secret, "" if unknown. A role that was created but could not be
// completed is returned together with the error.
func (m *Manager) Ensure(ctx context.Context, want identity.Desired, id string) (identity.Role, error) {
	if err := m.AddFinalizer(ctx, want); err != nil {
		return identity.Role{}, err
	}
	role, err := m.ensure(ctx, want, id)
	m.recordHints(ctx, want, role)
	if err != nil && !role.Created {
		return role, err
	}
	m.recordChange(want, role)
	m.remember(want, role, err == nil)
	return role, err
}

// ensure is Ensure without the finalizer, events and records. If somebody deleted the
// role, its ID is forgotten before a new one is created: otherwise, after a crash, the
// new role would be taken for somebody else's.
func (m *Manager) ensure(ctx context.Context, want identity.Desired, id string) (identity.Role, error) {
	role, err := m.IAM.Ensure(ctx, want, m.ID(want.Key, id))
	m.noteUse(want.Key, role)
	m.warnOutdated(want, role)
	if !errors.Is(err, identity.ErrRoleGone) {
		return role, err
	}
	if err = m.Secrets.ForgetRole(ctx, want.Key); err != nil {
		return role, err
	}
	// Remember that there was a role: it may only be invisible for now.
	m.update(want.Key, func(r *record) { r.role.ID, r.hash = "", "" })
	return m.IAM.Ensure(ctx, want, "")
}

// recordChange records that a role was created or changed.
func (m *Manager) recordChange(want identity.Desired, role identity.Role) {
	m.recordRenewedTrust(want, role)
	known := m.record(want.Key)
	unfinished := known.ensured && known.hash == ""
	switch changed := strings.Join(role.Changed, ", "); {
	case role.Created:
		m.Events.Normal(want, api.RoleCreated, fmt.Sprintf("Created role '%s'", role.ARN))
		level.Info(m.Logger).Log("msg", "role created", "object", want.Key, "role", role.ARN)
	case changed != "" && !unfinished: // to finish it is no update
		m.Events.Normal(want, api.RoleUpdated, fmt.Sprintf("Updated role '%s': %s", role.ARN, changed))
		level.Info(m.Logger).Log("msg", "role updated", "object", want.Key, "role", role.ARN, "changed", changed)
	}
}

// recordRenewedTrust records that a trust policy of an earlier version was renewed.
func (m *Manager) recordRenewedTrust(want identity.Desired, role identity.Role) {
	if !role.TrustRenewed {
		return
	}
	m.Events.Normal(want, api.RoleUpdated,
		fmt.Sprintf("Updated role '%s': its trust policy now requires this ServiceAccount's session name and rejects session tags of EKS Pod Identity", role.ARN))
	level.Info(m.Logger).Log("msg", "trust policy renewed", "object", want.Key, "role", role.ARN)
}

// repeatOutdated is how often the warning about an outdated trust policy is repeated.
// Inspections come up to a tenth earlier than their interval, which may be an hour.
const repeatOutdated = time.Hour * 9 / 10

// warnOutdated warns that the trust policy of an earlier version was left unchanged,
// and why. The identity is still served, so this is not a failure.
func (m *Manager) warnOutdated(want identity.Desired, role identity.Role) {
	now := time.Now()
	if at := m.record(want.Key).outdatedAt; role.TrustOutdated == "" || !at.IsZero() && now.Sub(at) < repeatOutdated {
		return
	}
	m.update(want.Key, func(r *record) { r.outdatedAt = now })
	level.Warn(m.Logger).Log("msg", "trust policy not renewed", "object", want.Key, "role", role.ARN, "reason", role.TrustOutdated)
	m.Events.Warn(want, false, api.TrustPolicyOutdated, role.TrustOutdated)
}
