package queue

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"

	"github.com/go-kit/log/level"
)

// errNoSlowWorker turns a NeedsSlow that nobody would act on into a failure, which
// is retried: otherwise the key would be lost.
var errNoSlowWorker = errors.New("the sync needs a slow worker, but there is none for it")

// syncNext syncs one key as a fast worker. It returns false on shutdown.
func (q *Queue[K]) syncNext(ctx, syncCtx context.Context) bool {
	key, shutdown := q.queue.Get()
	if shutdown || ctx.Err() != nil {
		// A work queue that shuts down still hands out the keys it holds. They are
		// left to the next leader.
		return false
	}
	defer q.queue.Done(key)
	defer q.store.done(key)
	if !q.inFlight.tryAcquire(key) {
		return true // its slow worker adds it again
	}
	defer q.release(key)

	result, err := q.syncWithTimeout(syncCtx, key, false)
	if !result.NeedsSlow {
		q.requeue(key, result, err)
		return true
	}
	q.backlog.add(key)
	if err != nil {
		q.requeue(key, result, err) // what failed beside it is retried
		return true
	}
	q.addAfter(key, result.After)
	return true
}

// syncNextSlow syncs one key as a slow worker. It returns false on shutdown.
func (q *Queue[K]) syncNextSlow(ctx, syncCtx context.Context) bool {
	key, tenant, ok := q.backlog.get()
	if !ok || ctx.Err() != nil {
		return false
	}
	defer q.backlog.done(tenant)
	q.inFlight.acquire(key)
	defer q.release(key)
	if ctx.Err() != nil {
		return false // shutdown began while a fast worker had the key
	}
	result, err := q.syncWithTimeout(syncCtx, key, true)
	q.requeue(key, result, err)
	return true
}

// release ends the sync of a key, and requests another if one was asked for
// meanwhile.
func (q *Queue[K]) release(key K) {
	if q.inFlight.release(key) {
		q.queue.Add(key)
	}
}

// syncWithTimeout ends a sync's context after the timeout, so that one key cannot
// occupy a worker forever.
func (q *Queue[K]) syncWithTimeout(ctx context.Context, key K, slow bool) (Result[K], error) {
	defer q.watchdog.start()()
	if q.cfg.Timeout > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, q.cfg.Timeout)
		defer cancel()
	}
	result, err := q.syncRecovered(ctx, key, slow)
	if result.NeedsSlow && (slow || q.cfg.SlowWorkers == 0) {
		result.NeedsSlow, err = false, errors.Join(err, errNoSlowWorker)
	}
	for _, other := range result.Others {
		q.queue.Add(other)
	}
	return result, err
}

// syncRecovered turns a panic into an error: a bug that one object triggers must not
// cost all others their credentials.
func (q *Queue[K]) syncRecovered(ctx context.Context, key K, slow bool) (result Result[K], err error) {
	defer func() {
		if r := recover(); r != nil {
			level.Error(q.logger).Log("msg", "sync panicked", "bug", "true", "object", fmt.Sprint(key), "stack", string(debug.Stack()))
			// The panic's value is omitted: it may quote the data that caused it.
			err = fmt.Errorf("sync panicked with a %T", r)
		}
	}()
	return q.sync(ctx, key, slow)
}
