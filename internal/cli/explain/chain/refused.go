package chain

import (
	"fmt"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"

	"kube-aws-iam-controller/internal/cli/finding"
)

// Names in the API server's messages about our admission.
const (
	webhookName  = "pods.iam.amazonaws.com"
	policyPrefix = "'kube-aws-iam-controller"
	guardPolicy  = "kube-aws-iam-controller-guard-pods"
)

// refusalsConcern reports whether pods may be missing: the one to explain, or one of
// those that use the identity.
func refusalsConcern(f *Facts) bool {
	return f.PodName != "" && f.Pod.Value == nil && f.Pod.Unknown == "" || explainsIdentity(f) && isServiceAccount(f)
}

var refusalRules = []rule{
	func(f *Facts) *finding.Finding {
		if f.Refused.Unknown != "" {
			return unknown(f.Refused.Unknown)
		}
		return nil
	},
	// The API server cannot reach the webhook, which has to answer.
	func(f *Facts) *finding.Finding {
		event := f.refusal("failed calling webhook")
		if event == nil {
			return nil
		}
		return broken("pods are not created: "+event.Message, remedyOfCall(event.Message))
	},
	// A Secret of another ServiceAccount.
	func(f *Facts) *finding.Finding {
		if event := f.refusal(guardPolicy); event != nil {
			return broken("pods are not created: "+event.Message, "have the pod use the Secret of its own ServiceAccount: see docs/security.md")
		}
		return nil
	},
	// The pod cannot have what its ServiceAccount asks for.
	func(f *Facts) *finding.Finding {
		for _, words := range []string{webhookName, policyPrefix} {
			if event := f.refusal(words); event != nil {
				return broken("pods are not created: "+event.Message, "change the pod or the annotation of the ServiceAccount as the message says")
			}
		}
		return nil
	},
	// Not ours: a quota, another webhook, Pod Security.
	func(f *Facts) *finding.Finding {
		if event := f.refusal(""); event != nil && f.PodName != "" {
			return broken("the pod is not created, for a reason that is not this controller's: "+event.Message, "as the message says")
		}
		return nil
	},
	func(f *Facts) *finding.Finding {
		if f.PodName == "" {
			return ok("no pod was refused since the newest one was created")
		}
		return broken(fmt.Sprintf("there is no pod %s in the namespace %s", f.PodName, f.Key.Namespace), "kubectl get pods --namespace "+f.Key.Namespace)
	},
}

// refusal returns the latest event with these words that is newer than all existing
// pods: afterwards, pods could be created.
func (f *Facts) refusal(words string) *corev1.Event {
	var newest time.Time
	for i := range f.Pods.Value {
		if created := f.Pods.Value[i].CreationTimestamp.Time; created.After(newest) {
			newest = created
		}
	}
	for i := range f.Refused.Value {
		event := &f.Refused.Value[i]
		if strings.Contains(event.Message, words) && f.concernsAccount(event.Message) && LastSeen(event).After(newest) {
			return event
		}
	}
	return nil
}

// concernsAccount reports whether a message is about pods of the ServiceAccount, or names
// none.
func (f *Facts) concernsAccount(message string) bool {
	_, name, found := strings.Cut(message, "ServiceAccount ")
	if !found || f.PodName != "" {
		return true
	}
	name, _, _ = strings.Cut(name, ":")
	name, _, _ = strings.Cut(name, ",")
	return name == f.Key.Name
}

// remedyOfCall returns what to do about a webhook that the API server cannot call.
func remedyOfCall(message string) string {
	switch {
	case strings.Contains(message, "no endpoints available"), strings.Contains(message, "connection refused"):
		return "no replica of the controller is ready: kubectl get pods --all-namespaces --selector app.kubernetes.io/name=kube-aws-iam-controller"
	case strings.Contains(message, "x509"), strings.Contains(message, "404"), strings.Contains(message, "could not find the requested resource"):
		return "the caBundle or the path of the webhook was reset: have the tool that applies manifests leave clientConfig alone; the leader writes it again"
	default:
		return "open port 8443 of the controller's pods to the control plane (firewall, security group, NetworkPolicy): see docs/troubleshooting.md"
	}
}

// LastSeen returns when an event was last recorded.
func LastSeen(event *corev1.Event) time.Time {
	last := event.LastTimestamp.Time
	if event.Series != nil && event.Series.LastObservedTime.After(last) {
		last = event.Series.LastObservedTime.Time
	}
	if event.EventTime.After(last) {
		last = event.EventTime.Time
	}
	if last.IsZero() {
		last = event.CreationTimestamp.Time
	}
	return last
}
