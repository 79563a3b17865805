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

// recordHints tells the author of a request, once its policies are in IAM, what they allow
// that may not be meant, and what the boundary takes away of them. That is once for each
// change of a policy by its author: not again where somebody else changed the role, or it
// changed for another reason. The Secret says after a restart which policies the role had.
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

// hinted says which policies there may be hints about.
type hinted struct{ inline, managed bool }

// changedPolicies returns which policies a role was given that are others than before, and
// the hash of those that it has now: one that IAM refused is still to be hinted at.
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

// boundary returns what the permissions boundary says, nil if that is not wanted, or the
// controller may not read it: it does not need that permission for anything else.
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
	// maxHintMessage leaves room for how many more there are in an event, which has 1,024
	// bytes.
	maxHintMessage = 1000
)

// hintMessage returns the message of an event, with as many hints as it holds.
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
