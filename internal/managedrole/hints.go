package managedrole

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/go-kit/log/level"

	"kube-aws-iam-controller/internal/api"
	"kube-aws-iam-controller/internal/identity"
)

// recordHints reports, once the policies are in IAM, which statements may allow more
// than intended and which have no effect because of the boundary. It does so once for
// each change by the author, not when the role changes for other reasons. After a
// restart, the hash on the Secret tells which policies were already reported.
func (m *Manager) recordHints(ctx context.Context, want identity.Desired, role identity.Role) {
	if want.Managed == nil {
		return
	}
	before := cmp.Or(m.record(want.Key).hinted, want.PolicyHash)
	changed, hash := changedPolicies(before, want.Managed.PolicyHash(), role)
	if changed == (hinted{}) {
		return
	}
	m.update(want.Key, func(r *record) { r.hinted = hash })
	boundary := m.boundary(ctx)
	if changed.inline {
		m.offerPolicy(want)
		policy := want.Managed.Policy
		m.hint(want, role, mayAllowMore(api.RolePolicyAnnotation), identity.PolicyHints(policy, boundary))
		m.hint(want, role, "The permissions boundary of the role allows nothing of what "+api.RolePolicyAnnotation+
			" names here, so that has no effect; leave it out, or have the boundary extended: ", boundary.TakenAway(policy))
	}
	if changed.managed {
		m.hint(want, role, mayAllowMore(api.ManagedPoliciesAnnotation), identity.ManagedPolicyHints(want.Managed.ManagedPolicies, boundary))
	}
}

// hinted says which policies may need hints.
type hinted struct{ inline, managed bool }

// changedPolicies returns which policies of a role are new, and the hash of those that
// it has now. Policies that IAM refused are not in that hash, so that their hints
// follow later.
func changedPolicies(before, now string, role identity.Role) (changed hinted, hash string) {
	inline, managed, _ := strings.Cut(before, "-")
	inlineNow, managedNow, _ := strings.Cut(now, "-")
	written := func(kind string) bool { return role.Created || slices.Contains(role.Changed, kind) }
	if changed.inline = inlineNow != inline && written(identity.InlinePolicyKind); changed.inline {
		inline = inlineNow
	}
	if changed.managed = managedNow != managed && written(identity.ManagedPoliciesKind); changed.managed {
		managed = managedNow
	}
	return changed, inline + "-" + managed
}

// boundary returns the permissions boundary, or nil if it is not wanted or the
// controller may not read it, a permission that nothing else needs.
func (m *Manager) boundary(ctx context.Context) *identity.Boundary {
	if !m.ReadBoundary {
		return nil
	}
	boundary, err := m.IAM.ReadBoundary(ctx)
	if err != nil {
		level.Debug(m.Logger).Log("msg", "hints do without the permissions boundary", "err", err)
	}
	return boundary
}

func mayAllowMore(annotation string) string {
	return annotation + " is in effect, and may allow more than is meant: "
}

// hint records an event with hints, if there are any.
func (m *Manager) hint(want identity.Desired, role identity.Role, about string, hints []string) {
	if len(hints) == 0 {
		return
	}
	m.Events.Normal(want, api.PolicyHint, hintMessage(about, hints))
	level.Info(m.Logger).Log("msg", "policy hints", "object", want.Key, "role", role.ARN, "hints", len(hints))
}

const (
	maxHints = 3
	// maxHintMessage leaves room for the number of further hints: an event holds 1,024
	// bytes.
	maxHintMessage = 1000
)

// hintMessage returns the message of an event with as many hints as fit.
func hintMessage(about string, hints []string) string {
	message, said := about+hints[0], 1
	for _, hint := range hints[1:min(maxHints, len(hints))] {
		if len(message)+len("; "+hint) > maxHintMessage {
			break
		}
		message += "; " + hint
		said++
	}
	if left := len(hints) - said; left > 0 {
		message += fmt.Sprintf("; and %d more", left)
	}
	return message
}
