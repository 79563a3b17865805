package managedrole

import (
	"cmp"
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
// may not be meant. That is once for each change of it by its author: not again where
// somebody else changed the role, or it changed for another reason. The Secret says after
// a restart which policy the role had.
func (m *Manager) recordHints(want identity.Desired, role identity.Role) {
	if want.Managed == nil {
		return
	}
	written, hash := role.Created || slices.Contains(role.Changed, identity.InlinePolicyKind), want.Managed.PolicyHash()
	if !written || hash == cmp.Or(m.record(want.Key).hinted, want.PolicyHash) {
		return
	}
	m.update(want.Key, func(r *record) { r.hinted = hash })
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
