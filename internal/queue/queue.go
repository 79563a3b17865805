// Package queue runs a sync function for keys taken from a rate-limited
// queue that is ordered by deadline. It knows nothing about AWS or
// credentials.
package queue

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"runtime/debug"
	"sync"
	"time"

	"github.com/go-kit/log"
	"github.com/go-kit/log/level"
	"k8s.io/client-go/util/workqueue"
)

// A SyncFunc converges one key. Workers for slow keys call it with slow set; all
// others are expected to return soon, and to report NeedsSlow if they cannot.
type SyncFunc[K comparable] func(ctx context.Context, key K, slow bool) (Result, error)

// A Result says what becomes of a key after a sync.
type Result struct {
	// After is when to sync the key again, 0 for not on its own. Beside an error it
	// is the longest the back-off may last. Beside NeedsSlow it is when a fast worker
	// syncs the key again, however long the turn for the slow sync takes to come.
	After time.Duration
	// NeedsSlow says that the key has to be synced by a slow worker. It is only for
	// syncs that a fast worker asked for, and counts for nothing beside an error.
	NeedsSlow bool
}

// Config tunes a Queue.
type Config[K comparable] struct {
	// Name labels the queue's metrics.
	Name string
	// Deadline orders the queue: earliest first. It is called whenever a key
	// is added, must be quick, and may not use the Queue. The zero Time, or one
	// that is past, is for a key that waits.
	Deadline func(K) time.Time
	// Urgent is how close a deadline has to be for a key to go before one that
	// waits.
	Urgent time.Duration
	// Flow names what a key belongs to; nil for all to the same. Flows take
	// turns: the keys of one do not keep those of another waiting.
	Flow func(K) string
	// SlowWorkers is how many keys that need a slow sync are worked on at once,
	// besides all others. If it is 0 no key may need one.
	SlowWorkers int
	// Limit is how long a sync may take before its context ends, 0 for ever.
	Limit time.Duration
	// Metrics receives the queue's metrics; nil for none.
	Metrics workqueue.MetricsProvider
	// Grace is how long work in hand may go on after the end is asked for.
	Grace time.Duration
}

// errNoSlowWorker is the failure of a sync whose key would never be synced.
var errNoSlowWorker = errors.New("sync asks for a slow worker where there is none for it")

// Back-off of a key whose sync fails. There is no last try: the cure happens
// in AWS or in the API server, where nothing tells us of it.
const (
	firstRetry = time.Second
	lastRetry  = 5 * time.Minute
	// retryJitter is the part of a back-off that is left to chance, so that
	// what failed together is not retried together.
	retryJitter = 0.3
)

// A Queue feeds keys to a SyncFunc. Create it with New.
type Queue[K comparable] struct {
	logger log.Logger
	sync   SyncFunc[K]
	slow   int // workers
	limit  time.Duration
	grace  time.Duration
	order  *order[K]
	// backlog is the keys whose turn for a slow sync has not come yet.
	backlog *backlog[K]
	claims  claims[K]
	queue   workqueue.TypedDelayingInterface[K]
	retry   workqueue.TypedRateLimiter[K]
	watch   watchdog
}

// New returns a Queue that calls fn.
func New[K comparable](logger log.Logger, fn SyncFunc[K], cfg Config[K]) *Queue[K] {
	order := newOrder(newRanking(cfg.Deadline, cfg.Flow, cfg.Urgent))
	var depth workqueue.GaugeMetric
	if cfg.Metrics != nil && cfg.SlowWorkers > 0 {
		depth = cfg.Metrics.NewDepthMetric(cfg.Name + "-slow")
	}
	queue := workqueue.NewTypedWithConfig(workqueue.TypedQueueConfig[K]{
		Name: cfg.Name, MetricsProvider: cfg.Metrics, Queue: order,
	})
	return &Queue[K]{
		logger: logger,
		sync:   fn,
		slow:   cfg.SlowWorkers,
		limit:  cfg.Limit,
		grace:  cfg.Grace,
		order:  order,

		backlog: newBacklog(newRanking(cfg.Deadline, cfg.Flow, cfg.Urgent), depth),
		queue: workqueue.NewTypedDelayingQueueWithConfig(workqueue.TypedDelayingQueueConfig[K]{
			Name: cfg.Name, MetricsProvider: cfg.Metrics, Queue: queue,
		}),
		retry: workqueue.NewTypedItemExponentialFailureRateLimiter[K](firstRetry, lastRetry),
	}
}

// Add asks for key to be synced as soon as its turn comes.
func (q *Queue[K]) Add(key K) { q.queue.Add(key) }

// Alive returns an error that says how long a worker has been busy with one
// key, if that is longer than limit.
func (q *Queue[K]) Alive(limit time.Duration) error { return q.watch.check(time.Now(), limit) }

// Run works until ctx is done and the syncs in hand have returned. They see a
// context that lives for the grace time longer, so that credentials already
// asked for still reach their Secret; but only for as long as held is not done:
// whatever ends that leaves no right to finish anything.
func (q *Queue[K]) Run(ctx, held context.Context, workers int) {
	inHand, abandon := context.WithCancel(held)
	defer abandon()
	q.order.staff(workers)
	q.backlog.staff(q.slow)
	var wg sync.WaitGroup
	for range workers {
		wg.Go(func() {
			for q.next(ctx, inHand) {
			}
		})
	}
	for range q.slow {
		wg.Go(func() {
			for q.nextSlow(ctx, inHand) {
			}
		})
	}
	<-ctx.Done()
	q.queue.ShutDown()
	q.backlog.end()
	timer := time.AfterFunc(q.grace, abandon)
	defer timer.Stop()
	wg.Wait()
}

// next works on one key and returns false once there will be no more.
func (q *Queue[K]) next(ctx, inHand context.Context) bool {
	key, quit := q.queue.Get()
	if quit || ctx.Err() != nil {
		// A queue that shuts down still hands out what it holds; that is for
		// the next leader.
		return false
	}
	defer q.queue.Done(key)
	defer q.order.done(key)
	if !q.claims.try(key) {
		return true // whoever has it adds it again
	}
	defer q.release(key)

	result, err := q.within(inHand, key, false)
	if err != nil || !result.NeedsSlow {
		q.settle(key, result.After, err)
		return true
	}
	q.backlog.add(key)
	if result.After > 0 {
		q.queue.AddAfter(key, result.After)
	}
	return true
}

// nextSlow is next for the keys whose sync takes long.
func (q *Queue[K]) nextSlow(ctx, inHand context.Context) bool {
	key, lane, ok := q.backlog.get()
	if !ok || ctx.Err() != nil {
		return false
	}
	defer q.backlog.done(lane)
	q.claims.await(key)
	defer q.release(key)
	if ctx.Err() != nil {
		return false // while another sync of the key was waited for
	}
	result, err := q.within(inHand, key, true)
	q.settle(key, result.After, err)
	return true
}

func (q *Queue[K]) release(key K) {
	if q.claims.release(key) {
		q.queue.Add(key)
	}
}

// settle says when a key comes back, by what became of its sync.
func (q *Queue[K]) settle(key K, again time.Duration, err error) {
	if err != nil {
		level.Error(q.logger).Log("msg", "sync failed, will retry", "object", fmt.Sprint(key), "err", err)
		delay := spread(q.retry.When(key))
		if again > 0 {
			delay = min(delay, again)
		}
		q.queue.AddAfter(key, delay)
		return
	}
	q.retry.Forget(key)
	if again > 0 {
		q.queue.AddAfter(key, again)
	}
}

// within syncs a key within the limit, which keeps no worker with one object for
// ever.
func (q *Queue[K]) within(ctx context.Context, key K, slow bool) (Result, error) {
	defer q.watch.begin(time.Now())()
	if q.limit > 0 {
		var end context.CancelFunc
		ctx, end = context.WithTimeout(ctx, q.limit)
		defer end()
	}
	result, err := q.safely(ctx, key, slow)
	if err == nil && result.NeedsSlow && (slow || q.slow == 0) {
		err = errNoSlowWorker
	}
	return result, err
}

// safely turns a panic into an error: one object's fault may not end the
// credentials of all others.
func (q *Queue[K]) safely(ctx context.Context, key K, slow bool) (result Result, err error) {
	defer func() {
		if r := recover(); r != nil {
			level.Error(q.logger).Log("msg", "sync panicked", "bug", "true", "object", fmt.Sprint(key), "stack", string(debug.Stack()))
			// The panic's value is left out: it may quote what it choked on.
			err = fmt.Errorf("sync panicked with a %T", r)
		}
	}()
	return q.sync(ctx, key, slow)
}

// spread returns d with some of it left to chance, never more than d.
func spread(d time.Duration) time.Duration {
	return d - time.Duration(retryJitter*rand.Float64()*float64(d)) //nolint:gosec // jitter needs no secret randomness
}
