// Package events records Kubernetes events about identities, on the objects that
// request them and on the pods that wait for their Secrets.
package events

import (
	"strings"
	"time"
	"unicode/utf8"

	"github.com/go-kit/log"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/tools/record"

	"kube-aws-iam-controller/internal/identity"
)

// maxMessage is the maximum length in bytes of an event's message:
// https://kubernetes.io/docs/reference/kubernetes-api/cluster-resources/event-v1/.
const maxMessage = 1024

// A Reporter records events.
type Reporter struct {
	events  record.EventRecorder
	limits  Limits
	waiting waitingPods
}

// New returns a Reporter that records events through events, and lists pods through the
// clients that pods returns, see WarnPods.
func New[P Pods](events record.EventRecorder, pods func(namespace string) P, logger log.Logger) *Reporter {
	return &Reporter{
		events: events, limits: NewLimits(),
		waiting: newWaitingPods(func(namespace string) Pods { return pods(namespace) }, logger),
	}
}

// WarnNamespace records a warning about a Namespace. The event is in the namespace
// itself. By default, events about cluster-scoped objects are in the namespace
// default, where a controller of one namespace may not write and its users do not
// look.
func (r *Reporter) WarnNamespace(name, uid, reason, message string) {
	ref := &corev1.ObjectReference{APIVersion: "v1", Kind: "Namespace", Namespace: name, Name: name, UID: types.UID(uid)}
	r.events.Event(ref, corev1.EventTypeWarning, reason, truncate(message))
}

// Normal records an event of type Normal on the object that requests want, unless its
// namespace has had too many events a moment ago.
func (r *Reporter) Normal(want identity.Desired, reason, message string) {
	if !r.limits.Allow(want.Namespace, time.Now()) {
		return
	}
	r.events.Event(reference(want), corev1.EventTypeNormal, reason, truncate(message))
}

// Warn records an event of type Warning on the object that requests want. If
// waiting is true, WarnPods also records it on the pods that wait for the Secret,
// because their owners look there first.
func (r *Reporter) Warn(want identity.Desired, waiting bool, reason, message string) {
	r.events.Event(reference(want), corev1.EventTypeWarning, reason, truncate(message))
	if waiting {
		r.waiting.enqueue(want.Namespace)
	}
}

// TryWarn is Warn within the limits of the identity and its namespace. If they are
// exhausted, it records nothing and returns how long to wait.
func (r *Reporter) TryWarn(want identity.Desired, waiting bool, reason, message string) time.Duration {
	wait := r.limits.Take(want.Key, time.Now())
	if wait == 0 {
		r.Warn(want, waiting, reason, message)
	}
	return wait
}

func reference(want identity.Desired) *corev1.ObjectReference {
	apiVersion, kind := want.Source.Owner()
	return &corev1.ObjectReference{
		APIVersion: apiVersion, Kind: kind, Namespace: want.Namespace, Name: want.Name, UID: types.UID(want.UID),
	}
}

// truncate limits a message to what an event holds, without splitting a character.
func truncate(message string) string {
	message = strings.ToValidUTF8(message, "\uFFFD")
	if len(message) <= maxMessage {
		return message
	}
	const ellipsis = "…"
	cut := maxMessage - len(ellipsis)
	for !utf8.RuneStart(message[cut]) {
		cut--
	}
	return message[:cut] + ellipsis
}
