package queue

import (
	"bytes"
	"context"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/go-kit/log"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// run runs a Queue in the test's bubble and returns the function that stops it.
func run[K comparable](t *testing.T, q *Queue[K], workers int) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { q.Run(ctx, context.WithoutCancel(ctx), workers); close(done) }()
	return func() { cancel(); <-done }
}

func noDeadline(string) time.Time { return time.Time{} }

func TestSyncRepeatsAfterTheRequestedDelay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var at []time.Duration
		start := time.Now()
		q := New(log.NewNopLogger(), func(context.Context, string, bool) (Result[string], error) {
			at = append(at, time.Since(start))
			return Result[string]{After: 45 * time.Minute}, nil
		}, Config[string]{Deadline: noDeadline})
		stop := run(t, q, 2)
		q.Add("app")
		time.Sleep(100 * time.Minute)
		stop()
		assert.Equal(t, []time.Duration{0, 45 * time.Minute, 90 * time.Minute}, at)
	})
}

func TestEarliestDeadlineGoesFirst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		deadlines := map[string]time.Time{
			"soon": start.Add(time.Minute), "later": start.Add(time.Hour), "nothing": {}, "nothing either": {},
		}
		var mu sync.Mutex
		var synced []string
		q := New(log.NewNopLogger(), func(_ context.Context, key string, _ bool) (Result[string], error) {
			mu.Lock()
			defer mu.Unlock()
			synced = append(synced, key)
			return Result[string]{}, nil
		}, Config[string]{Deadline: func(k string) time.Time { return deadlines[k] }})
		for _, key := range []string{"later", "nothing", "soon", "nothing either"} {
			q.Add(key)
		}
		stop := run(t, q, 1)
		synctest.Wait()
		stop()
		assert.Equal(t, []string{"nothing", "nothing either", "soon", "later"}, synced)
	})
}

func TestSyncIsCanceledAfterTheTimeoutAndRetried(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		calls := 0
		q := New(log.NewNopLogger(), func(ctx context.Context, _ string, _ bool) (Result[string], error) {
			calls++
			if calls > 1 {
				return Result[string]{}, nil
			}
			<-ctx.Done()
			return Result[string]{}, ctx.Err()
		}, Config[string]{Deadline: noDeadline, Timeout: 2 * time.Minute})
		stop := run(t, q, 1)
		q.Add("app")
		time.Sleep(2*time.Minute + time.Second + time.Millisecond)
		require.NoError(t, q.Alive(2*time.Minute))
		stop()
		assert.Equal(t, 2, calls)
	})
}

func TestPanicFailsOnlyItsOwnKey(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var logged bytes.Buffer
		var synced []string
		q := New(log.NewLogfmtLogger(&logged), func(_ context.Context, key string, _ bool) (Result[string], error) {
			if key == "bad" {
				panic("hunter2")
			}
			synced = append(synced, key)
			return Result[string]{}, nil
		}, Config[string]{Deadline: noDeadline})
		stop := run(t, q, 1)
		q.Add("bad")
		q.Add("good")
		synctest.Wait()
		stop()
		assert.Equal(t, []string{"good"}, synced)
		assert.Contains(t, logged.String(), "object=bad")
		assert.NotContains(t, logged.String(), "hunter2")
	})
}

func TestAliveReportsAStuckWorker(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := New(log.NewNopLogger(), func(ctx context.Context, _ string, _ bool) (Result[string], error) {
			<-ctx.Done()
			return Result[string]{}, nil
		}, Config[string]{Deadline: noDeadline})
		stop := run(t, q, 1)
		q.Add("stuck")
		synctest.Wait()
		require.NoError(t, q.Alive(time.Minute))
		time.Sleep(2 * time.Minute)
		require.ErrorContains(t, q.Alive(time.Minute), "busy with one object for 2m0s")
		stop()
		assert.NoError(t, q.Alive(time.Minute))
	})
}
