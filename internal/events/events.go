// Package report tells people what became of an identity: events on the object
// that asked for it and on the pods that wait for its Secret.
package events

import (
	"context"
	"strings"
	"unicode/utf8"

	"github.com/go-kit/log"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
	corev1client "k8s.io/client-go/kubernetes/typed/core/v1"
	"k8s.io/client-go/tools/record"

	"kube-aws-iam-controller/internal/identity"
)

// maxMessage is the length, in bytes, that the API server takes for an event's
// message: https://kubernetes.io/docs/reference/kubernetes-api/cluster-resources/event-v1/.
const maxMessage = 1024

// A Reporter writes events.
type Reporter struct {
	events  record.EventRecorder
	waiting waitingPods
}

// New returns a Reporter that records through events and finds waiting pods
// through pods, see WarnPods.
func New(events record.EventRecorder, pods corev1client.PodsGetter, logger log.Logger) *Reporter {
	return &Reporter{events: events, waiting: newWaitingPods(pods, logger)}
}

// WarnNamespace records what is wrong with a namespace. The event is in the
// namespace itself: those of objects that are in none go to the namespace default
// unless they say otherwise, and there the controller of one namespace may not
// write, nor its users look.
func (r *Reporter) WarnNamespace(name, uid, reason, message string) {
	ref := &corev1.ObjectReference{APIVersion: "v1", Kind: "Namespace", Namespace: name, Name: name, UID: types.UID(uid)}
	r.events.Event(ref, corev1.EventTypeWarning, reason, truncate(message))
}

// Normal records that all went as asked.
func (r *Reporter) Normal(want identity.Desired, reason, message string) {
	r.events.Event(reference(want), corev1.EventTypeNormal, reason, truncate(message))
}

// Warn records what is wrong. With waiting, the pods that wait for the Secret are
// told as well, by WarnPods: their owners look there first.
func (r *Reporter) Warn(_ context.Context, want identity.Desired, waiting bool, reason, message string) {
	r.events.Event(reference(want), corev1.EventTypeWarning, reason, truncate(message))
	if waiting {
		r.waiting.enqueue(want.Namespace)
	}
}

func reference(want identity.Desired) *corev1.ObjectReference {
	apiVersion, kind := want.Source.Owner()
	return &corev1.ObjectReference{
		APIVersion: apiVersion, Kind: kind, Namespace: want.Namespace, Name: want.Name, UID: types.UID(want.UID),
	}
}

// fit cuts a message to what an event holds, between characters.
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
