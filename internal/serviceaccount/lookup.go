package serviceaccount

import (
	"context"
	"fmt"
	"sync"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/metadata"

	"kube-aws-iam-controller/internal/limit"
)

const (
	// maxLookups is how many ServiceAccounts of one namespace are read at once,
	// so that its pods, created in a loop, do not keep those of others waiting.
	maxLookups = 10
	// maxStrange is how many are read at once for one address that may be
	// anybody's, and maxUnheard how many that the cache does not know for all of
	// those addresses together: whoever invents names waits for others who do.
	maxUntrusted, maxUncached = 4, 2
	// lookupWithin is how long one may take, its turn included: the API server
	// waits no longer for the pods that wait for it.
	lookupTimeout = 5 * time.Second
)

// lookups read ServiceAccounts while pods wait to be admitted.
type lookups struct {
	client metadata.Interface
	// shares are by namespace, or by address. unheard is one queue besides, nil
	// for none.
	queues, uncached *limit.Concurrency

	mu    sync.Mutex
	calls map[query]*call
}

func newLookups(client metadata.Interface, each, unheard int) *lookups {
	l := &lookups{client: client, queues: limit.NewConcurrency(each), calls: map[query]*call{}}
	if unheard > 0 {
		l.uncached = limit.NewConcurrency(unheard)
	}
	return l
}

// A question is which ServiceAccount is asked for, and on whose share: nobody
// waits for a read that stands in somebody else's queue.
type query struct {
	queue, namespace, name string
	// heard says that the cache knows of it.
	cached bool
}

// A reading is under way as long as somebody waits for it.
type call struct {
	done        chan struct{} // closed once what follows is there
	annotations map[string]string
	err         error

	cancel  context.CancelFunc
	waiting int
}

// read returns the annotations of a ServiceAccount. All who ask one and the same
// question share an answer.
//
// Who joins a read that others began is told what may be older than its own
// question. If something is asked for there that is as good as a cache that
// says so. If not, the annotation may have been written in between, and it
// asks once more: the read that was joined is over, so any that is under way by
// then began after the question, and its answer holds, whoever began it.
func (l *lookups) read(ctx context.Context, q query) (map[string]string, error) {
	annotations, own, err := l.join(ctx, q)
	if !own && ctx.Err() == nil && (err != nil || !requestsIdentity(annotations)) {
		annotations, _, err = l.join(ctx, q)
	}
	return annotations, err
}

// join waits for a read, and says whether it began it itself. A read outlives
// whoever began it for the others, and ends with the last of them.
func (l *lookups) join(ctx context.Context, q query) (map[string]string, bool, error) {
	r, own := l.acquire(ctx, q)
	select {
	case <-ctx.Done():
		l.leave(q, r)
		return nil, false, ctx.Err()
	case <-r.done:
		return r.annotations, own, r.err
	}
}

func (l *lookups) acquire(ctx context.Context, q query) (r *call, own bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if r = l.calls[q]; r != nil {
		r.waiting++
		return r, false
	}
	detached, cancel := context.WithTimeout(context.WithoutCancel(ctx), lookupTimeout)
	r = &call{done: make(chan struct{}), cancel: cancel, waiting: 1}
	l.calls[q] = r
	go func() {
		defer cancel()
		r.annotations, r.err = l.get(detached, q)
		l.mu.Lock()
		l.forget(q, r)
		l.mu.Unlock()
		close(r.done)
	}()
	return r, true
}

func (l *lookups) leave(q query, r *call) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if r.waiting--; r.waiting == 0 {
		l.forget(q, r)
		r.cancel()
	}
}

// forget has whoever asks from now on begin a read of its own. The lock is held.
func (l *lookups) forget(q query, r *call) {
	if l.calls[q] == r {
		delete(l.calls, q)
	}
}

// get reads once it is the question's turn.
func (l *lookups) get(ctx context.Context, q query) (map[string]string, error) {
	leave, err := l.queues.Acquire(ctx, q.queue)
	if err != nil {
		return nil, fmt.Errorf("too many are being read at once, try again: %w", err)
	}
	defer leave()
	if l.uncached != nil && !q.cached {
		next, full := l.uncached.Acquire(ctx, "")
		if full != nil {
			return nil, fmt.Errorf("too many that are not known yet are being read at once, try again: %w", full)
		}
		defer next()
	}
	meta, err := l.client.Resource(Resource).Namespace(q.namespace).Get(ctx, q.name, metav1.GetOptions{})
	if err != nil {
		return nil, err
	}
	return meta.Annotations, nil
}
