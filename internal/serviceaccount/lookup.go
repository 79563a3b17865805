package serviceaccount

import (
	"context"
	"fmt"
	"sync"
	"time"

	"golang.org/x/sync/singleflight"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/metadata"
)

const (
	// maxLookups is how many ServiceAccounts of one namespace are read at once,
	// so that its pods, created in a loop, do not keep those of others waiting.
	maxLookups = 10
	// lookupWithin is how long one may take, its turn included: the API server
	// waits no longer for the pods that wait for it.
	lookupWithin = 5 * time.Second
)

// lookups read ServiceAccounts while pods wait to be admitted. The zero value
// is ready.
type lookups struct {
	shared singleflight.Group
	mu     sync.Mutex
	queues map[string]*queue
}

// A queue is where lookups of one namespace wait their turn. It is there as
// long as somebody is in it.
type queue struct {
	turns chan struct{}
	users int
}

// read returns the annotations of a ServiceAccount. All who ask for one and the
// same share an answer.
//
// Who joins a read that others began is told what may be older than its own
// question. If something is asked for there that is as good as a cache that
// says so. If not, the annotation may have been written in between, and it
// asks once more: the read that was joined is over, so any that is under way by
// then began after the question, and its answer holds, whoever began it.
func (l *lookups) read(ctx context.Context, client metadata.Interface, namespace, name string) (map[string]string, error) {
	annotations, own, err := l.join(ctx, client, namespace, name)
	if !own && ctx.Err() == nil && (err != nil || !asks(annotations)) {
		annotations, _, err = l.join(ctx, client, namespace, name)
	}
	return annotations, err
}

// join waits for a read, and says whether it began it itself. A read outlives
// whoever began it, for the others.
func (l *lookups) join(ctx context.Context, client metadata.Interface, namespace, name string) (map[string]string, bool, error) {
	own := false
	done := l.shared.DoChan(namespace+"/"+name, func() (any, error) {
		own = true
		detached, cancel := context.WithTimeout(context.WithoutCancel(ctx), lookupWithin)
		defer cancel()
		leave, err := l.enter(detached, namespace)
		if err != nil {
			return nil, err
		}
		defer leave()
		meta, err := client.Resource(Resource).Namespace(namespace).Get(detached, name, metav1.GetOptions{})
		if err != nil {
			return nil, err
		}
		return meta.Annotations, nil
	})
	select {
	case <-ctx.Done():
		return nil, false, ctx.Err()
	case result := <-done:
		annotations, _ := result.Val.(map[string]string)
		return annotations, own, result.Err
	}
}

// enter waits until one more of a namespace may be read. What it returns has to
// be called afterwards.
func (l *lookups) enter(ctx context.Context, namespace string) (leave func(), err error) {
	q := l.use(namespace)
	select {
	case q.turns <- struct{}{}:
		return func() { <-q.turns; l.unuse(namespace, q) }, nil
	case <-ctx.Done():
		l.unuse(namespace, q)
		return nil, fmt.Errorf("more than %d are being read in this namespace, try again: %w", maxLookups, ctx.Err())
	}
}

func (l *lookups) use(namespace string) *queue {
	l.mu.Lock()
	defer l.mu.Unlock()
	q := l.queues[namespace]
	if q == nil {
		q = &queue{turns: make(chan struct{}, maxLookups)}
		if l.queues == nil {
			l.queues = map[string]*queue{}
		}
		l.queues[namespace] = q
	}
	q.users++
	return q
}

func (l *lookups) unuse(namespace string, q *queue) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if q.users--; q.users == 0 {
		delete(l.queues, namespace)
	}
}
