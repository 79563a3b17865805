package status

import (
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"

	"kube-aws-iam-controller/internal/api"
	"kube-aws-iam-controller/internal/identity"
	"kube-aws-iam-controller/internal/refresh"
)

// subject is one object that may request an identity, unlike an earlier one of its name.
type subject struct {
	identity.Key

	uid string
}

// lastWarnings returns the last Warning event of each object that may request an identity.
func lastWarnings(events []runtime.Object) map[subject]*Problem {
	last := map[subject]*Problem{}
	for _, obj := range events {
		event, is := obj.(*corev1.Event)
		if !is || event.Type != corev1.EventTypeWarning {
			continue
		}
		if about, is := involved(event); is {
			last[about] = later(last[about], &Problem{Reason: event.Reason, Message: event.Message, Time: new(eventTime(event))})
		}
	}
	return last
}

// involved returns the object of an event.
func involved(event *corev1.Event) (subject, bool) {
	for _, source := range []identity.Source{identity.ServiceAccount, identity.AWSIAMRole} {
		if _, kind := source.Owner(); event.InvolvedObject.Kind == kind {
			key := identity.Key{Source: source, Namespace: event.InvolvedObject.Namespace, Name: event.InvolvedObject.Name}
			return subject{Key: key, uid: string(event.InvolvedObject.UID)}, true
		}
	}
	return subject{}, false
}

// later returns the later of two problems.
func later(a, b *Problem) *Problem {
	switch {
	case b == nil:
		return a
	case a == nil || a.Time.Before(b.Time):
		return b
	default:
		return a
	}
}

// conditionProblem returns what a Ready condition says is wrong, nil for nothing. The
// credentials may be valid all the same.
func conditionProblem(ready *metav1.Condition) *Problem {
	if ready == nil || ready.Reason == api.CredentialsIssued {
		return nil
	}
	return &Problem{Reason: ready.Reason, Message: ready.Message, Time: new(ready.LastTransitionTime)}
}

// unresolved returns nil for a problem from before the credentials were issued: it was
// overcome. A problem in the second of the issue counts as later: times are in seconds.
func unresolved(p *Problem, have refresh.State) *Problem {
	if p == nil || !have.Exists || have.Session == 0 {
		return p
	}
	if issued := have.Expiration.Add(-have.Session); p.Time.Time.Before(issued) {
		return nil
	}
	return p
}

// eventTime returns when an event was last recorded.
func eventTime(e *corev1.Event) metav1.Time {
	switch {
	case e.Series != nil:
		return metav1.NewTime(e.Series.LastObservedTime.Time)
	case !e.LastTimestamp.IsZero():
		return e.LastTimestamp
	case !e.EventTime.IsZero():
		return metav1.NewTime(e.EventTime.Time)
	default:
		return e.CreationTimestamp
	}
}
