// Package report tells people what became of an identity: events on the object
// that asked for it and on the pods that wait for its Secret.
package report

import (
	"context"
	"strings"
	"sync"
	"unicode/utf8"

	"github.com/go-kit/log"
	"github.com/go-kit/log/level"
	"golang.org/x/time/rate"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/types"
	corev1client "k8s.io/client-go/kubernetes/typed/core/v1"
	"k8s.io/client-go/tools/record"

	"kube-aws-iam-controller/internal/identity"
)

// Component is the source of our events.
const Component = "kube-aws-iam-controller"

// maxMessage is the length, in bytes, that the API server takes for an event's
// message: https://kubernetes.io/docs/reference/kubernetes-api/cluster-resources/event-v1/.
const maxMessage = 1024

// maxPods is how many waiting pods are told, and maxListed how many pending ones
// are looked at for that. They all wait for the same.
const (
	maxPods   = 10
	maxListed = 20
)

// Pods can be large and many of them pending, so they are listed one at a time
// and rarely, whoever asks.
const (
	listsPerSecond = 2
	listsAtOnce    = 10
)

// A Reporter writes events.
type Reporter struct {
	events record.EventRecorder
	pods   corev1client.PodsGetter
	logger log.Logger

	listing sync.Mutex
	limiter *rate.Limiter
}

// New returns a Reporter that records through events and finds waiting pods
// through pods.
func New(events record.EventRecorder, pods corev1client.PodsGetter, logger log.Logger) *Reporter {
	return &Reporter{events: events, pods: pods, logger: logger, limiter: rate.NewLimiter(listsPerSecond, listsAtOnce)}
}

// WarnNamespace records what is wrong with a namespace. The event is in the
// namespace itself: those of objects that are in none go to the namespace default
// unless they say otherwise, and there the controller of one namespace may not
// write, nor its users look.
func (r *Reporter) WarnNamespace(name, uid, reason, message string) {
	ref := &corev1.ObjectReference{APIVersion: "v1", Kind: "Namespace", Namespace: name, Name: name, UID: types.UID(uid)}
	r.events.Event(ref, corev1.EventTypeWarning, reason, fit(message))
}

// Normal records that all went as asked.
func (r *Reporter) Normal(want identity.Desired, reason, message string) {
	r.events.Event(reference(want), corev1.EventTypeNormal, reason, fit(message))
}

// Warn records what is wrong. With waiting, the pods that wait for the Secret
// are told as well, as far as they are found at little cost: their owners look
// there first.
func (r *Reporter) Warn(ctx context.Context, want identity.Desired, waiting bool, reason, message string) {
	message = fit(message)
	r.events.Event(reference(want), corev1.EventTypeWarning, reason, message)
	if !waiting || !r.limiter.Allow() || !r.listing.TryLock() {
		return
	}
	defer r.listing.Unlock()
	pods, err := r.waitingPods(ctx, want)
	if err != nil {
		// The event on the object says it all; this one is a courtesy.
		level.Debug(r.logger).Log("msg", "cannot tell waiting pods", "object", want.Key, "err", err)
		return
	}
	for i := range pods {
		r.events.Event(podReference(&pods[i]), corev1.EventTypeWarning, reason, message)
	}
}

// waitingPods lists the few pods that cannot start for want of the Secret.
// Pods are never watched: in most clusters they are most of the objects.
func (r *Reporter) waitingPods(ctx context.Context, want identity.Desired) ([]corev1.Pod, error) {
	selector := fields.Set{"status.phase": string(corev1.PodPending)}
	if want.Source == identity.ServiceAccount {
		selector["spec.serviceAccountName"] = want.Name
	}
	list, err := r.pods.Pods(want.Namespace).List(ctx, metav1.ListOptions{
		FieldSelector: selector.AsSelector().String(),
		Limit:         maxListed, // which the API server ignores for a resource version of 0
	})
	if err != nil {
		return nil, err
	}
	var waiting []corev1.Pod
	for i := range list.Items {
		if len(waiting) < maxPods && waits(&list.Items[i], want) {
			waiting = append(waiting, list.Items[i])
		}
	}
	return waiting, nil
}

// waits says whether a pending pod mounts the Secret.
func waits(pod *corev1.Pod, want identity.Desired) bool {
	if want.Source == identity.ServiceAccount && pod.Spec.ServiceAccountName == want.Name {
		return true // mounted by admission, or meant to be
	}
	for i := range pod.Spec.Volumes {
		if secret := pod.Spec.Volumes[i].Secret; secret != nil && secret.SecretName == want.SecretName {
			return true
		}
	}
	return false
}

func reference(want identity.Desired) *corev1.ObjectReference {
	ref := &corev1.ObjectReference{
		APIVersion: "v1", Kind: "ServiceAccount", Namespace: want.Namespace, Name: want.Name, UID: types.UID(want.UID),
	}
	if want.Source == identity.AWSIAMRole {
		ref.APIVersion, ref.Kind = "zalando.org/v1", "AWSIAMRole"
	}
	return ref
}

func podReference(pod *corev1.Pod) *corev1.ObjectReference {
	return &corev1.ObjectReference{
		APIVersion: "v1", Kind: "Pod", Namespace: pod.Namespace, Name: pod.Name, UID: pod.UID,
	}
}

// fit cuts a message to what an event holds, between characters.
func fit(message string) string {
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
