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

// Limits of lookups, so that a burst of pods in one namespace does not delay those
// of others.
const (
	// maxLookups limits concurrent lookups for one namespace.
	maxLookups = 10
	// maxUntrusted limits concurrent lookups for one untrusted address. maxUncached
	// limits those for ServiceAccounts missing from the cache, of all untrusted
	// addresses together: callers that invent names only delay each other.
	maxUntrusted, maxUncached = 4, 2
	// lookupTimeout includes the time in the queue. The API server does not wait
	// longer for a webhook.
	lookupTimeout = 5 * time.Second
)

// lookups reads ServiceAccounts from the API server while pods wait for admission.
type lookups struct {
	client metadata.Interface
	rules  Annotations
	// queues limits concurrency by namespace or by address. uncached is one
	// additional queue for names missing from the cache, nil for none.
	queues, uncached *limit.Concurrency

	mu    sync.Mutex
	calls map[query]*call
}

func newLookups(client metadata.Interface, rules Annotations, perQueue, uncached int) *lookups {
	l := &lookups{client: client, rules: rules, queues: limit.NewConcurrency(perQueue), calls: map[query]*call{}}
	if uncached > 0 {
		l.uncached = limit.NewConcurrency(uncached)
	}
	return l
}

// A query identifies a ServiceAccount and the queue in which its lookup waits. The
// queue is part of the identity so that nobody waits for a call in somebody else's
// queue.
type query struct {
	queue, namespace, name string
	// cached reports that the cache has the ServiceAccount.
	cached bool
}

// A call is a lookup in progress. It is cancelled once nobody waits for it.
type call struct {
	done        chan struct{} // closed once the result is set
	annotations map[string]string
	err         error

	cancel  context.CancelFunc
	waiting int
}

// read returns the annotations of a ServiceAccount that count. Concurrent identical queries
// share one call.
//
// A caller that joins a call in progress may get an answer older than its own
// question. That is no worse than a stale cache if the answer is a request. If it
// is not, the annotation may have been added since, and the caller asks once more:
// the call it joined is over, so any call in progress now was started after the
// question.
func (l *lookups) read(ctx context.Context, q query) (map[string]string, error) {
	annotations, started, err := l.join(ctx, q)
	if !started && ctx.Err() == nil && (err != nil || !requestsIdentity(annotations)) {
		annotations, _, err = l.join(ctx, q)
	}
	return annotations, err
}

// join waits for a call and reports whether it started the call. A call outlives
// the caller that started it for as long as others wait.
func (l *lookups) join(ctx context.Context, q query) (map[string]string, bool, error) {
	c, started := l.acquire(ctx, q)
	select {
	case <-ctx.Done():
		l.leave(q, c)
		return nil, false, ctx.Err()
	case <-c.done:
		return c.annotations, started, c.err
	}
}

func (l *lookups) acquire(ctx context.Context, q query) (c *call, started bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if c = l.calls[q]; c != nil {
		c.waiting++
		return c, false
	}
	detached, cancel := context.WithTimeout(context.WithoutCancel(ctx), lookupTimeout)
	c = &call{done: make(chan struct{}), cancel: cancel, waiting: 1}
	l.calls[q] = c
	go func() {
		defer cancel()
		c.annotations, c.err = l.get(detached, q)
		l.mu.Lock()
		l.forget(q, c)
		l.mu.Unlock()
		close(c.done)
	}()
	return c, true
}

func (l *lookups) leave(q query, c *call) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if c.waiting--; c.waiting == 0 {
		l.forget(q, c)
		c.cancel()
	}
}

// forget makes later callers start a call of their own. The caller holds the lock.
func (l *lookups) forget(q query, c *call) {
	if l.calls[q] == c {
		delete(l.calls, q)
	}
}

// get reads the ServiceAccount once the limits allow it.
func (l *lookups) get(ctx context.Context, q query) (map[string]string, error) {
	release, err := l.queues.Acquire(ctx, q.queue)
	if err != nil {
		return nil, fmt.Errorf("too many are being read at once, try again: %w", err)
	}
	defer release()
	if l.uncached != nil && !q.cached {
		releaseUncached, full := l.uncached.Acquire(ctx, "")
		if full != nil {
			return nil, fmt.Errorf("too many that are not known yet are being read at once, try again: %w", full)
		}
		defer releaseUncached()
	}
	meta, err := l.client.Resource(Resource).Namespace(q.namespace).Get(ctx, q.name, metav1.GetOptions{})
	if err != nil {
		return nil, err
	}
	return l.rules.effective(meta.Annotations), nil
}
