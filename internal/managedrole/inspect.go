package managedrole

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/go-kit/log/level"

	"kube-aws-iam-controller/internal/api"
	"kube-aws-iam-controller/internal/identity"
)

// confirmAfter is how long after drift was first seen a second inspection counts: for
// some seconds, IAM may show an outdated state.
const confirmAfter = 20 * time.Second

// Inspect corrects what somebody else changed of a role, once it has been seen twice.
// The trust policy of an earlier version is not drift, and is renewed at once. Inspect
// returns when to inspect the role again, and whether it was gone and was created
// again, which makes its credentials worthless. If the inspection has to let others go
// first, Inspect does nothing and returns when to retry.
func (m *Manager) Inspect(ctx context.Context, want identity.Desired, id string) (next time.Duration, created bool, err error) {
	end, may := m.begin(want.Key)
	if !may {
		next, _ = m.InspectIn(want.Key)
		return next, false, nil
	}
	defer end()
	if next, created, err = m.inspect(ctx, want, id); err != nil {
		m.update(want.Key, func(r *record) { r.inspectFailed = true })
	}
	return next, created, err
}

// InspectFailed reports whether the last inspection of the role failed.
func (m *Manager) InspectFailed(key identity.Key) bool { return m.record(key).inspectFailed }

func (m *Manager) inspect(ctx context.Context, want identity.Desired, id string) (next time.Duration, created bool, err error) {
	suspect := m.record(want.Key).suspect
	role, err := m.IAM.Differs(ctx, want, m.ID(want.Key, id))
	m.noteUse(want.Key, role)
	m.warnOutdated(want, role)
	switch {
	case err != nil:
		return 0, false, err
	case len(role.Changed) == 0 && !role.TrustRenewed:
		return m.planNext(want.Key), false, nil
	case len(role.Changed) > 0 && !suspect:
		m.plan(want.Key, confirmAfter, true)
		return confirmAfter, false, nil
	}
	return m.correct(ctx, want, id)
}

// correct makes a role match again, with an event and a count for each thing that
// somebody else had changed. If only the trust policy was renewed, sessions keep their
// names, so credentials need no renewal.
func (m *Manager) correct(ctx context.Context, want identity.Desired, id string) (next time.Duration, created bool, err error) {
	role, err := m.ensure(ctx, want, id)
	if role.Created {
		role.Changed = []string{"role"}
	}
	// Roles of earlier versions lack the tag with the cluster's UID.
	role.Changed = slices.DeleteFunc(role.Changed, func(kind string) bool { return kind == identity.ClusterUIDKind })
	for _, kind := range role.Changed {
		m.Metrics.ObserveDrift(kind)
		m.Events.Warn(want, false, api.RoleDriftCorrected, driftMessage(role, kind))
	}
	m.recordRenewedTrust(want, role)
	if len(role.Changed) > 0 {
		level.Warn(m.Logger).Log("msg", "role drift corrected", "object", want.Key, "role", role.ARN, "changed", strings.Join(role.Changed, ","))
	}
	if role.Created {
		m.remember(want, role, err == nil)
	}
	if err != nil {
		return 0, false, err
	}
	return m.planNext(want.Key), role.Created, nil
}

// driftMessage says what was corrected of a role.
func driftMessage(role identity.Role, kind string) string {
	if role.Created {
		return fmt.Sprintf("Recreated role '%s', which had been deleted outside of the controller", role.ARN)
	}
	return fmt.Sprintf("Corrected role '%s', which had been changed outside of the controller: %s", role.ARN, kind)
}
