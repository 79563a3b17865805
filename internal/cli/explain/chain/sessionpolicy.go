package chain

import (
	"time"

	corev1 "k8s.io/api/core/v1"

	"kube-aws-iam-controller/internal/api"
	"kube-aws-iam-controller/internal/cli/finding"
	"kube-aws-iam-controller/internal/identity"
)

// limitsSessions reports whether sessions may do less than their role.
func limitsSessions(f *Facts) bool { return isUnderstood(f) && f.desired().SessionPolicy != "" }

// sessionPolicyRules say what limits sessions, which explains why AWS denies what the
// role allows.
var sessionPolicyRules = []rule{
	func(f *Facts) *finding.Finding {
		if _, allows := identity.PolicySummary(f.desired().SessionPolicy); !allows {
			return warning(f.sessionPolicy()+", so that they may do nothing: it has no statement with the Effect Allow", f.edit())
		}
		return nil
	},
	func(f *Facts) *finding.Finding {
		return ok(f.sessionPolicy() + ", and to what the role allows of that")
	},
}

func (f *Facts) sessionPolicy() string {
	name := api.SessionPolicyAnnotation
	if isAWSIAMRole(f) {
		name = "spec.sessionPolicy"
	}
	summary, _ := identity.PolicySummary(f.desired().SessionPolicy)
	return name + " limits sessions to " + summary
}

// isHinted reports whether the controller has said something about the policy of a
// managed role.
func isHinted(f *Facts) bool {
	return wantsManagedRole(f) && f.desired().Managed.Policy != "" && f.lastHint() != nil
}

// policyHintRules repeat the controller's last hint. The policy may have changed since,
// so they say when that was.
var policyHintRules = []rule{
	func(f *Facts) *finding.Finding {
		hint := f.lastHint()
		return ok("said at " + LastSeen(hint).UTC().Format(time.RFC3339) + ": " + hint.Message)
	},
}

func (f *Facts) lastHint() *corev1.Event {
	var last *corev1.Event
	for i := range f.Events.Value {
		event := &f.Events.Value[i]
		if event.Reason == api.PolicyHint && (last == nil || LastSeen(event).After(LastSeen(last))) {
			last = event
		}
	}
	return last
}
