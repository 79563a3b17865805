// Package queue runs a sync function for keys, like client-go's work queue and a
// controller's workers together. It knows nothing about AWS or credentials.
//
// What a Queue guarantees:
//
//   - Keys with a deadline are synced in order of their deadlines. A key without
//     one, or with one that has passed, is ordered as if it had been given
//     [Config.Urgent] when it was added.
//   - Tenants take turns. However many keys of one tenant are urgent, the urgent
//     keys of another wait for one round at most, and a tenant that occupies more
//     than its share of the workers gets no further one while others wait.
//   - A key is synced by one worker at a time. A key that is added during its sync
//     is synced again afterwards; one that is added while it waits is synced once.
//   - A sync that would block reports [Result.NeedsSlow] and is repeated by one of a
//     separate set of slow workers. Meanwhile fast workers go on with all other keys,
//     and with the same key if it is added again.
//   - A failed key is retried with exponential back-off and jitter for as long as it
//     fails. A panic is a failure of its key alone.
//   - On shutdown the syncs in flight are drained within [Config.Grace], and no new
//     one begins.
package queue

import (
	"context"
	"sync"
	"time"

	"github.com/go-kit/log"
	"k8s.io/client-go/util/workqueue"
)

// A SyncFunc converges one key. Fast workers call it with slow == false and expect
// it to return soon, with NeedsSlow if it cannot; slow workers call it with
// slow == true.
type SyncFunc[K comparable] func(ctx context.Context, key K, slow bool) (Result[K], error)

// A Result says what happens to a key after its sync.
type Result[K comparable] struct {
	// After is when to sync the key again, 0 for not on its own. Beside an error it
	// limits the back-off. Beside NeedsSlow it is when a fast worker looks at the key
	// again, however long the slow sync has to wait for its turn.
	After time.Duration
	// NeedsSlow says that the key has to be synced by a slow worker. It is valid only
	// if the sync was called with slow == false. Beside an error both hold: the key waits
	// for a slow worker, and what failed is retried with back-off.
	NeedsSlow bool
	// Others are keys to sync now as well, whatever back-off they are in.
	Others []K
}

// Config configures a Queue.
type Config[K comparable] struct {
	// Name labels the queue's metrics.
	Name string
	// Deadline returns when a key has to be synced at the latest, the zero Time if
	// it has no deadline. It is called whenever a key is added, must return
	// immediately, and may not use the Queue.
	Deadline func(K) time.Time
	// Urgent is how close a deadline has to be for its key to go before keys without
	// a deadline.
	Urgent time.Duration
	// Tenant returns whom a key belongs to; nil if all keys belong to one.
	Tenant func(K) string
	// SlowWorkers is how many keys are synced by slow workers at once, in addition to
	// the fast ones. With 0 no sync may report NeedsSlow.
	SlowWorkers int
	// Timeout is how long a sync may take before its context ends, 0 for no limit.
	Timeout time.Duration
	// Metrics receives the queue's metrics; nil for none.
	Metrics workqueue.MetricsProvider
	// Grace is how long syncs in flight may go on after shutdown has begun.
	Grace time.Duration
}

// slowName labels the metrics of keys that wait for a slow worker.
func (c Config[K]) slowName() string { return c.Name + "-slow" }

// A Queue calls a SyncFunc for the keys that are added. Create it with New.
type Queue[K comparable] struct {
	logger log.Logger
	sync   SyncFunc[K]
	cfg    Config[K]

	// queue holds the keys for the fast workers, in the order of store.
	queue    workqueue.TypedDelayingInterface[K]
	store    *store[K]
	backlog  *backlog[K]
	inFlight inFlight[K]
	retry    workqueue.TypedRateLimiter[K]
	watchdog watchdog
}

// New returns a Queue that calls fn for its keys once Run is called.
func New[K comparable](logger log.Logger, fn SyncFunc[K], cfg Config[K]) *Queue[K] {
	var depth workqueue.GaugeMetric
	if cfg.Metrics != nil && cfg.SlowWorkers > 0 {
		depth = cfg.Metrics.NewDepthMetric(cfg.slowName())
	}
	store := newStore(newPending(cfg.Deadline, cfg.Tenant, cfg.Urgent))
	queue := workqueue.NewTypedWithConfig(workqueue.TypedQueueConfig[K]{
		Name: cfg.Name, MetricsProvider: cfg.Metrics, Queue: store,
	})
	return &Queue[K]{
		logger: logger,
		sync:   fn,
		cfg:    cfg,
		queue: workqueue.NewTypedDelayingQueueWithConfig(workqueue.TypedDelayingQueueConfig[K]{
			Name: cfg.Name, MetricsProvider: cfg.Metrics, Queue: queue,
		}),
		store:   store,
		backlog: newBacklog(newPending(cfg.Deadline, cfg.Tenant, cfg.Urgent), depth),
		retry:   workqueue.NewTypedItemExponentialFailureRateLimiter[K](firstBackoff, maxBackoff),
	}
}

// Add requests a sync of key.
func (q *Queue[K]) Add(key K) { q.queue.Add(key) }

// Alive returns an error if a sync has been running for longer than limit.
func (q *Queue[K]) Alive(limit time.Duration) error { return q.watchdog.check(time.Now(), limit) }

// LongestWaits returns how long the key that waits the longest for a fast worker, and
// the one for a slow worker, has waited, by the names that the metrics have for the two.
// It looks at every key that waits.
func (q *Queue[K]) LongestWaits() map[string]time.Duration {
	now := time.Now()
	return map[string]time.Duration{q.cfg.Name: q.store.longestWait(now), q.cfg.slowName(): q.backlog.longestWait(now)}
}

// Run runs the workers until ctx is done and the syncs in flight have returned.
// The context of a sync outlives ctx by the grace period, so that credentials
// already requested still reach their Secret, but never outlives held: once held
// is done nothing may be finished any more.
func (q *Queue[K]) Run(ctx, held context.Context, workers int) {
	syncCtx, abandon := context.WithCancel(held)
	defer abandon()
	q.store.setWorkers(workers)
	q.backlog.setWorkers(q.cfg.SlowWorkers)
	var wg sync.WaitGroup
	for range workers {
		wg.Go(func() {
			for q.syncNext(ctx, syncCtx) {
			}
		})
	}
	for range q.cfg.SlowWorkers {
		wg.Go(func() {
			for q.syncNextSlow(ctx, syncCtx) {
			}
		})
	}
	<-ctx.Done()
	q.queue.ShutDown()
	q.backlog.shutDown()
	timer := time.AfterFunc(q.cfg.Grace, abandon)
	defer timer.Stop()
	wg.Wait()
}
