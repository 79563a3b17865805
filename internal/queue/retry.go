package queue

import (
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/go-kit/log/level"
)

// Back-off of a key whose sync fails. The number of retries is not limited: the
// cause is usually fixed in AWS or in the API server, which send no notification.
const (
	firstBackoff = time.Second
	maxBackoff   = 5 * time.Minute
	// jitter is the random part of a back-off, so that keys that failed together are
	// not retried together.
	jitter = 0.3
)

// requeue schedules the next sync of a key by the outcome of the last one.
func (q *Queue[K]) requeue(key K, result Result[K], err error) {
	if err == nil {
		q.retry.Forget(key)
		q.addAfter(key, result.After)
		return
	}
	level.Error(q.logger).Log("msg", "sync failed, will retry", "object", fmt.Sprint(key), "err", err)
	delay := withJitter(q.retry.When(key))
	if result.After > 0 {
		delay = min(delay, result.After)
	}
	q.queue.AddAfter(key, delay)
}

// addAfter adds a key after a delay, or not at all if the delay is 0.
func (q *Queue[K]) addAfter(key K, delay time.Duration) {
	if delay > 0 {
		q.queue.AddAfter(key, delay)
	}
}

// withJitter shortens d by a random part of it.
func withJitter(d time.Duration) time.Duration {
	return d - time.Duration(jitter*rand.Float64()*float64(d)) //nolint:gosec // jitter needs no secret randomness
}
