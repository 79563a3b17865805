package managedrole

import (
	"fmt"
	"slices"
	"strings"

	"github.com/go-kit/log/level"

	"kube-aws-iam-controller/internal/api"
	"kube-aws-iam-controller/internal/identity"
)

// maxHints is how many statements an event names.
const maxHints = 3

// recordHints tells the author of a policy, once it is written to IAM, what it allows that
// may not be meant. That is once for each change: neither a restart nor a renewal writes
// a policy, nor does one that is only written differently.
func (m *Manager) recordHints(want identity.Desired, role identity.Role) {
	if want.Managed == nil {
		return
	}
	written, hash := role.Created || slices.Contains(role.Changed, identity.InlinePolicyKind), want.RoleHash()
	if !written || hash == m.record(want.Key).hinted {
		return
	}
	m.update(want.Key, func(r *record) { r.hinted = hash })
	m.offerPolicy(want)
	hints := identity.PolicyHints(want.Managed.Policy)
	if len(hints) == 0 {
		return
	}
	m.Events.Normal(want, api.PolicyHint, hintMessage(hints))
	level.Info(m.Logger).Log("msg", "policy hints", "object", want.Key, "role", role.ARN, "statements", len(hints))
}

// hintMessage returns the message of an event.
func hintMessage(hints []string) string {
	more := ""
	if len(hints) > maxHints {
		hints, more = hints[:maxHints], fmt.Sprintf("; and %d more statements", len(hints)-maxHints)
	}
	return api.RolePolicyAnnotation + " is in effect, and may allow more than is meant: " + strings.Join(hints, "; ") + more
}
