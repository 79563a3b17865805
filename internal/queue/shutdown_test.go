package queue

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/go-kit/log"
	"github.com/stretchr/testify/assert"
)

func TestShutdownDrainsSyncsInFlightAndStartsNoOther(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var started, finished []string
		q := New(log.NewNopLogger(), func(ctx context.Context, key string, _ bool) (Result[string], error) {
			started = append(started, key)
			select {
			case <-ctx.Done():
			case <-time.After(5 * time.Second):
				finished = append(finished, key)
			}
			return Result[string]{}, nil
		}, Config[string]{Deadline: noDeadline, Grace: 8 * time.Second})
		stop := run(t, q, 1)
		q.Add("in flight")
		q.Add("waiting")
		synctest.Wait()
		stop()
		assert.Equal(t, []string{"in flight"}, started)
		assert.Equal(t, []string{"in flight"}, finished)
	})
}

func TestShutdownCancelsSyncsAfterTheGracePeriod(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := New(log.NewNopLogger(), func(ctx context.Context, _ string, _ bool) (Result[string], error) {
			<-ctx.Done()
			return Result[string]{}, ctx.Err()
		}, Config[string]{Deadline: noDeadline, Grace: 8 * time.Second})
		stop := run(t, q, 1)
		q.Add("stuck")
		synctest.Wait()
		start := time.Now()
		stop()
		assert.Equal(t, 8*time.Second, time.Since(start))
	})
}

func TestShutdownHasNoGracePeriodOnceTheLeaseIsLost(t *testing.T) {
	for name, after := range map[string]time.Duration{"at once": 0, "during the grace period": 3 * time.Second} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				q := New(log.NewNopLogger(), func(ctx context.Context, _ string, _ bool) (Result[string], error) {
					<-ctx.Done()
					return Result[string]{}, ctx.Err()
				}, Config[string]{Deadline: noDeadline, Grace: 8 * time.Second})
				held, loseLease := context.WithCancel(t.Context())
				ctx, stop := context.WithCancel(held)
				done := make(chan struct{})
				go func() { q.Run(ctx, held, 1); close(done) }()
				q.Add("in flight")
				synctest.Wait()
				start := time.Now()
				stop()
				time.Sleep(after)
				loseLease()
				<-done
				assert.Equal(t, after, time.Since(start))
			})
		})
	}
}
