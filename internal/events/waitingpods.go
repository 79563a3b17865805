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

	"kube-aws-iam-controller/internal/identity"
)

// Pods are not watched, because in most clusters they are the most numerous
// objects. Pending pods are listed, and only in namespaces where an identity has no
// valid credentials.
const (
	// listInterval is how often the pods of a namespace are listed, so that a pod
	// gets its event within a minute of its creation.
	listInterval = 30 * time.Second
	// listDelay is the delay after a failure, so that several failures lead to one
	// list, which includes pods that were created with the identity.
	listDelay = 2 * time.Second
	// repeatAfter is when the event on a pod that still waits is repeated: the API
	// server keeps events for an hour.
	repeatAfter = time.Hour
	// listsPerSecond and listsAtOnce limit the rate of lists in all namespaces
	// together.
	listsPerSecond = 10
	listsAtOnce    = 10
	// maxPage is the number of pods on a page, because pods can be large, and
	// maxPages the number of pages per namespace and interval.
	maxPage  = 20
	maxPages = 25
	// maxWarnedPerList limits how many pods of one identity get an event per list.
	// They all wait for the same Secret.
	maxWarnedPerList = 10
)

// Pods is a client for the Pods of one namespace.
type Pods interface {
	List(ctx context.Context, opts metav1.ListOptions) (*corev1.PodList, error)
}

// waitingPods finds pods that wait for credentials.
type waitingPods struct {
	pods    func(namespace string) Pods
	logger  log.Logger
	limiter *rate.Limiter

	mu sync.Mutex
	// queued are the namespaces to list before the next interval.
	queued map[string]bool // the namespaces to be looked at next
	wake   chan struct{}

	// warnedAt is when each pod that still waits got its latest event. Only
	// WarnPods accesses it.
	warnedAt map[types.UID]time.Time
}

func newWaitingPods(pods func(namespace string) Pods, logger log.Logger) waitingPods {
	return waitingPods{
		pods: pods, logger: logger, limiter: rate.NewLimiter(listsPerSecond, listsAtOnce),
		queued: map[string]bool{}, wake: make(chan struct{}, 1), warnedAt: map[types.UID]time.Time{},
	}
}

// enqueue schedules a list of a namespace before the next interval.
func (w *waitingPods) enqueue(namespace string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.queued[namespace] = true
	select {
	case w.wake <- struct{}{}:
	default: // already signalled
	}
}

func (w *waitingPods) dequeue() map[string]bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	queued := w.queued
	w.queued = map[string]bool{}
	return queued
}

// WarnPods records an event on each pod that waits for an identity's Secret, with
// the reason why it does not exist, until ctx is done. failed yields the
// identities without valid credentials. While there are none, nothing is listed.
func (r *Reporter) WarnPods(ctx context.Context, failed func() iter.Seq[identity.Failed]) {
	ticker := time.NewTicker(listInterval)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
			r.warnPods(ctx, failed(), nil)
		case <-r.waiting.wake:
			if !pause(ctx, listDelay) {
				return
			}
			r.warnPods(ctx, failed(), r.waiting.dequeue())
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

// warnPods lists the namespaces of failed identities, only those in only unless
// it is nil.
func (r *Reporter) warnPods(ctx context.Context, failed iter.Seq[identity.Failed], only map[string]bool) {
	namespaces := map[string][]identity.Failed{}
	for u := range failed {
		if only == nil || only[u.Namespace] {
			namespaces[u.Namespace] = append(namespaces[u.Namespace], u)
		}
	}
	seen := map[types.UID]bool{}
	for _, namespace := range slices.Sorted(maps.Keys(namespaces)) {
		if err := r.warnPodsIn(ctx, namespace, namespaces[namespace], seen); err != nil {
			// The event on the object contains the same information.
			level.Debug(r.waiting.logger).Log("msg", "cannot list waiting pods", "namespace", namespace, "err", err)
		}
	}
	if only == nil {
		maps.DeleteFunc(r.waiting.warnedAt, func(uid types.UID, _ time.Time) bool { return !seen[uid] })
	}
}

// warnPodsIn records events on the waiting pods of one namespace that had none
// recently. It adds all waiting pods to seen.
func (r *Reporter) warnPodsIn(ctx context.Context, namespace string, failed []identity.Failed, seen map[types.UID]bool) error {
	matcher := newPodMatcher(failed)
	warned := map[identity.Key]int{}
	return r.waiting.eachPending(ctx, namespace, func(pod *corev1.Pod) {
		u := matcher.match(pod)
		if u == nil {
			return
		}
		seen[pod.UID] = true
		if time.Since(r.waiting.warnedAt[pod.UID]) < repeatAfter || warned[u.Key] == maxWarnedPerList {
			return
		}
		warned[u.Key]++
		r.waiting.warnedAt[pod.UID] = time.Now()
		r.events.Event(podReference(pod), corev1.EventTypeWarning, u.Reason, truncate(u.Message))
	})
}

// eachPending calls do for the pending pods of a namespace.
func (w *waitingPods) eachPending(ctx context.Context, namespace string, do func(*corev1.Pod)) error {
	options := metav1.ListOptions{
		FieldSelector: fields.Set{"status.phase": string(corev1.PodPending)}.AsSelector().String(),
		Limit:         maxPage, // ignored by the API server if the resource version is 0
	}
	for range maxPages {
		if err := w.limiter.Wait(ctx); err != nil {
			return err
		}
		list, err := w.pods(namespace).List(ctx, options)
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
