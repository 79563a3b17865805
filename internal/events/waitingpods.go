package events

import (
	"context"
	"iter"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/go-kit/log"
	"github.com/go-kit/log/level"
	"golang.org/x/time/rate"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/types"
	corev1client "k8s.io/client-go/kubernetes/typed/core/v1"

	"kube-aws-iam-controller/internal/identity"
)

// Pods are never watched: in most clusters they are most of the objects. Those
// that are pending are listed, in namespaces where an identity has no valid
// credentials, and nowhere else.
const (
	// lookInterval is how often a namespace is looked at, so that a pod is told
	// within a minute of its creation.
	listInterval = 30 * time.Second
	// lookDelay is how soon after a failure, so that the failures of one change
	// are one list, and pods that were created with it are there.
	listDelay = 2 * time.Second
	// repeatAfter is when a pod that still waits is told again: the API server
	// keeps an event for an hour.
	repeatAfter = time.Hour
	// listsPerSecond and listsAtOnce bound the lists of all namespaces together.
	listsPerSecond = 10
	listsAtOnce    = 10
	// maxPage is how many pods are listed at once, since they can be large, and
	// maxPages how many times in one look at a namespace.
	maxPage  = 20
	maxPages = 25
	// maxToldAtOnce is how many pods of one identity are told in one look. They
	// all wait for the same.
	maxWarnedPerList = 10
)

// waitingPods finds pods that wait for credentials.
type waitingPods struct {
	pods    corev1client.PodsGetter
	logger  log.Logger
	limiter *rate.Limiter

	mu     sync.Mutex
	queued map[string]bool // the namespaces to be looked at next
	wake   chan struct{}

	// told is when each pod that still waits was told. Only WarnPods uses it.
	warnedAt map[types.UID]time.Time
}

func newWaitingPods(pods corev1client.PodsGetter, logger log.Logger) waitingPods {
	return waitingPods{
		pods: pods, logger: logger, limiter: rate.NewLimiter(listsPerSecond, listsAtOnce),
		queued: map[string]bool{}, wake: make(chan struct{}, 1), warnedAt: map[types.UID]time.Time{},
	}
}

// lookSoon has a namespace looked at before its turn.
func (w *waitingPods) enqueue(namespace string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.queued[namespace] = true
	select {
	case w.wake <- struct{}{}:
	default: // it is to wake already
	}
}

func (w *waitingPods) dequeue() map[string]bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	soon := w.queued
	w.queued = map[string]bool{}
	return soon
}

// WarnPods records on each pod that waits for an identity's Secret why it is not
// there, until ctx is done. unserved yields the identities without valid
// credentials; while there are none nothing is listed.
func (r *Reporter) WarnPods(ctx context.Context, unserved func() iter.Seq[identity.Unserved]) {
	ticker := time.NewTicker(listInterval)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
			r.warnPods(ctx, unserved(), nil)
		case <-r.waiting.wake:
			if !pause(ctx, listDelay) {
				return
			}
			r.warnPods(ctx, unserved(), r.waiting.dequeue())
		}
	}
}

func pause(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		return true
	}
}

// warnPods looks at the namespaces of unserved identities, or at those of them
// that are in only, if that is not nil.
func (r *Reporter) warnPods(ctx context.Context, unserved iter.Seq[identity.Unserved], only map[string]bool) {
	namespaces := map[string][]identity.Unserved{}
	for u := range unserved {
		if only == nil || only[u.Namespace] {
			namespaces[u.Namespace] = append(namespaces[u.Namespace], u)
		}
	}
	seen := map[types.UID]bool{}
	for _, namespace := range slices.Sorted(maps.Keys(namespaces)) {
		if err := r.warnPodsIn(ctx, namespace, namespaces[namespace], seen); err != nil {
			// The event on the object says it all; these are a courtesy.
			level.Debug(r.waiting.logger).Log("msg", "cannot tell waiting pods", "namespace", namespace, "err", err)
		}
	}
	if only == nil {
		maps.DeleteFunc(r.waiting.warnedAt, func(uid types.UID, _ time.Time) bool { return !seen[uid] })
	}
}

// warnPodsIn tells the pods of one namespace that were not told of late. It adds
// those that wait to seen.
func (r *Reporter) warnPodsIn(ctx context.Context, namespace string, unserved []identity.Unserved, seen map[types.UID]bool) error {
	awaited := newPodMatcher(unserved)
	told := map[identity.Key]int{}
	return r.waiting.eachPending(ctx, namespace, func(pod *corev1.Pod) {
		u := awaited.match(pod)
		if u == nil {
			return
		}
		seen[pod.UID] = true
		if time.Since(r.waiting.warnedAt[pod.UID]) < repeatAfter || told[u.Key] == maxWarnedPerList {
			return
		}
		told[u.Key]++
		r.waiting.warnedAt[pod.UID] = time.Now()
		r.events.Event(podReference(pod), corev1.EventTypeWarning, u.Reason, truncate(u.Message))
	})
}

// each calls do for the pending pods of a namespace.
func (w *waitingPods) eachPending(ctx context.Context, namespace string, do func(*corev1.Pod)) error {
	options := metav1.ListOptions{
		FieldSelector: fields.Set{"status.phase": string(corev1.PodPending)}.AsSelector().String(),
		Limit:         maxPage, // which the API server ignores for a resource version of 0
	}
	for range maxPages {
		if err := w.limiter.Wait(ctx); err != nil {
			return err
		}
		list, err := w.pods.Pods(namespace).List(ctx, options)
		if err != nil {
			return err
		}
		for i := range list.Items {
			do(&list.Items[i])
		}
		if options.Continue = list.Continue; options.Continue == "" {
			return nil
		}
	}
	return nil
}

func podReference(pod *corev1.Pod) *corev1.ObjectReference {
	return &corev1.ObjectReference{
		APIVersion: "v1", Kind: "Pod", Namespace: pod.Namespace, Name: pod.Name, UID: pod.UID,
	}
}
