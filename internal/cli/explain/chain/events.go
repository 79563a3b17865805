package chain

import (
	"fmt"
	"strings"

	corev1 "k8s.io/api/core/v1"

	"kube-aws-iam-controller/internal/api"
	"kube-aws-iam-controller/internal/awserr"
	"kube-aws-iam-controller/internal/cli/finding"
)

// remedies tell what to do about Warning events, in addition to their messages, by
// reason.
var remedies = map[string]func(*Facts) string{
	api.GetCredentialsFailed:  (*Facts).compareTrust,
	api.ExternalIDNotEnforced: (*Facts).compareTrust,
	api.SecretConflict: func(f *Facts) string {
		return fmt.Sprintf("kubectl delete secret %s --namespace %s, if nobody needs it", f.SecretName(), f.Key.Namespace)
	},
	api.ProvisioningDisabled: func(*Facts) string {
		return "have whoever runs the controller set --permissions-boundary, or name an existing role in " + api.RoleAnnotation
	},
	api.RoleNotPermitted: func(f *Facts) string {
		return "kubectl get namespace " + f.Key.Namespace + " -o yaml shows its rules: see docs/concepts.md"
	},
	api.ProvisionFailed: func(*Facts) string { return "as the message says: see docs/troubleshooting.md, managed roles" },
	api.RoleNotOwned:    func(*Facts) string { return "as the message says: see docs/managed-roles.md" },
}

var eventRules = []rule{
	func(f *Facts) *finding.Finding {
		if f.Events.Unknown != "" {
			return unknown(f.Events.Unknown)
		}
		return nil
	},
	func(f *Facts) *finding.Finding {
		event := f.currentWarning()
		if event == nil {
			return nil
		}
		remedy := f.remedyOf(event)
		// What is issued for today's request is served whatever else fails.
		if f.issuedForToday() {
			return warning(event.Reason+": "+event.Message, remedy)
		}
		return broken(event.Reason+": "+event.Message, remedy)
	},
	sound("no warning since the last credentials"),
}

// remedyOf returns what to do about a Warning. Missing credentials are a matter of the
// trust policy only if AWS denied them, and denied them to the controller.
func (f *Facts) remedyOf(event *corev1.Event) string {
	special, has := remedies[event.Reason]
	switch {
	case strings.Contains(event.Message, awserr.ControllerHasNone):
		return "have whoever runs the controller give it credentials: kubectl aws-iam check, and docs/credentials.md"
	case !has, event.Reason == api.GetCredentialsFailed && !strings.Contains(event.Message, "AccessDenied"):
		return "as the message says: see docs/troubleshooting.md"
	default:
		return special(f)
	}
}

// currentWarning returns the controller's last Warning about the object if nothing has
// succeeded since, otherwise nil.
func (f *Facts) currentWarning() *corev1.Event {
	var last *corev1.Event
	good := f.issued()
	for i := range f.Events.Value {
		event := &f.Events.Value[i]
		switch {
		// Said by the rules for annotations and for the label, from what there is now.
		case event.Reason == api.UnknownAnnotation, event.Reason == api.InvalidAnnotation, event.Reason == api.AdmissionSkipped:
		case event.Type != corev1.EventTypeWarning:
			if (event.Reason == api.CreateCredentials || event.Reason == api.UpdateCredentials) && LastSeen(event).After(good) {
				good = LastSeen(event)
			}
		case last == nil || LastSeen(event).After(LastSeen(last)):
			last = event
		}
	}
	if last == nil || LastSeen(last).Before(good) {
		return nil
	}
	return last
}
