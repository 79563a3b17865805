package queue

import (
	"bytes"
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/go-kit/log"
	"github.com/stretchr/testify/assert"
)

func TestSlowSyncsDoNotBlockFastWorkers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var logged bytes.Buffer
		var mu sync.Mutex
		at := map[string]time.Duration{}
		start := time.Now()
		record := func(worker, key string) {
			mu.Lock()
			defer mu.Unlock()
			at[worker+key] = time.Since(start)
		}
		q := New(log.NewLogfmtLogger(&logged), func(_ context.Context, key string, slow bool) (Result[string], error) {
			if !slow {
				record("fast ", key)
				return Result[string]{NeedsSlow: true}, nil
			}
			time.Sleep(time.Minute)
			record("slow ", key)
			return Result[string]{}, nil
		}, Config[string]{Deadline: noDeadline, SlowWorkers: 3})
		stop := run(t, q, 1)
		for _, key := range []string{"1", "2", "3"} {
			q.Add(key)
		}
		time.Sleep(time.Hour)
		stop()
		assert.Equal(t, map[string]time.Duration{
			"fast 1": 0, "fast 2": 0, "fast 3": 0, "slow 1": time.Minute, "slow 2": time.Minute, "slow 3": 2 * time.Minute,
		}, at)
		assert.Empty(t, logged.String(), "NeedsSlow is no failure")
	})
}

func TestFastWorkersSyncAKeyWhileItWaitsForASlowWorker(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var mu sync.Mutex
		concurrent, most := map[string]int{}, 0
		var fast []time.Duration
		start := time.Now()
		enter := func(key string) {
			mu.Lock()
			defer mu.Unlock()
			concurrent[key]++
			most = max(most, concurrent[key])
		}
		leave := func(key string) {
			mu.Lock()
			defer mu.Unlock()
			concurrent[key]--
		}
		q := New(log.NewNopLogger(), func(_ context.Context, key string, slow bool) (Result[string], error) {
			enter(key)
			defer leave(key)
			if slow {
				time.Sleep(time.Hour) // IAM hangs
				return Result[string]{}, nil
			}
			if mu.Lock(); key == "app" {
				fast = append(fast, time.Since(start))
			}
			mu.Unlock()
			return Result[string]{After: 10 * time.Minute, NeedsSlow: true}, nil
		}, Config[string]{Deadline: noDeadline, SlowWorkers: 1})
		stop := run(t, q, 2)
		q.Add("other")
		synctest.Wait()
		q.Add("app")
		time.Sleep(59 * time.Minute)
		mu.Lock()
		assert.Equal(t, []time.Duration{0, 10 * time.Minute, 20 * time.Minute, 30 * time.Minute, 40 * time.Minute, 50 * time.Minute}, fast)
		mu.Unlock()
		time.Sleep(2 * time.Hour)
		stop()
		assert.Equal(t, 1, most, "one worker per key")
		assert.GreaterOrEqual(t, fast[6], time.Hour)
	})
}

func TestFailedSlowSyncIsRetriedWithBackoff(t *testing.T) {
	for name, fail := range map[string]func() (Result[string], error){
		"an error":               func() (Result[string], error) { return Result[string]{}, errors.New("denied") },
		"NeedsSlow":              func() (Result[string], error) { return Result[string]{NeedsSlow: true}, nil },
		"an error and NeedsSlow": func() (Result[string], error) { return Result[string]{NeedsSlow: true}, errors.New("denied") },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				calls := 0
				q := New(log.NewNopLogger(), func(_ context.Context, _ string, slow bool) (Result[string], error) {
					if !slow {
						return Result[string]{NeedsSlow: true}, nil
					}
					calls++
					return fail()
				}, Config[string]{Deadline: noDeadline, SlowWorkers: 1})
				stop := run(t, q, 1)
				q.Add("app")
				time.Sleep(time.Hour)
				stop()
				assert.Greater(t, calls, 12)
				assert.Less(t, calls, 30)
			})
		})
	}
}

func TestNeedsSlowIsAFailureIfThereAreNoSlowWorkers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var logged bytes.Buffer
		calls := 0
		q := New(log.NewLogfmtLogger(&logged), func(context.Context, string, bool) (Result[string], error) {
			calls++
			return Result[string]{NeedsSlow: true}, nil
		}, Config[string]{Deadline: noDeadline})
		stop := run(t, q, 1)
		q.Add("app")
		time.Sleep(time.Hour)
		stop()
		assert.Greater(t, calls, 12, "the key is not lost")
		assert.Contains(t, logged.String(), "slow worker")
	})
}

func TestNoSlowSyncStartsAfterShutdown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var started []string
		fastSyncs := map[string]int{}
		ctx, cancel := context.WithCancel(t.Context())
		q := New(log.NewNopLogger(), func(_ context.Context, key string, slow bool) (Result[string], error) {
			if slow {
				started = append(started, key)
				time.Sleep(3 * time.Second)
				return Result[string]{}, nil
			}
			fastSyncs[key]++
			if key == "a" && fastSyncs[key] == 2 {
				time.Sleep(10 * time.Second)
			}
			return Result[string]{NeedsSlow: true}, nil
		}, Config[string]{Deadline: noDeadline, Grace: 7 * time.Second, SlowWorkers: 1})
		done := make(chan struct{})
		go func() { q.Run(ctx, t.Context(), 1); close(done) }()
		q.Add("b")
		synctest.Wait()
		q.Add("a")
		synctest.Wait()
		q.Add("a") // the second fast sync holds the key when its turn for the slow one comes
		time.Sleep(5 * time.Second)
		cancel()
		<-done
		assert.Equal(t, []string{"b"}, started)
	})
}

func TestKeyAddedDuringItsSlowSyncIsSyncedAgainAfterwards(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var mu sync.Mutex
		at := map[string][]time.Duration{}
		start := time.Now()
		q := New(log.NewNopLogger(), func(_ context.Context, key string, slow bool) (Result[string], error) {
			mu.Lock()
			defer mu.Unlock()
			if slow {
				mu.Unlock()
				time.Sleep(time.Minute)
				mu.Lock()
				return Result[string]{}, nil
			}
			at[key] = append(at[key], time.Since(start))
			return Result[string]{NeedsSlow: key == "slow" && len(at[key]) == 1}, nil
		}, Config[string]{Deadline: noDeadline, SlowWorkers: 1})
		stop := run(t, q, 1)
		q.Add("slow")
		time.Sleep(time.Second)
		q.Add("slow")
		synctest.Wait()
		q.Add("other")
		time.Sleep(time.Hour)
		stop()
		assert.Equal(t, map[string][]time.Duration{"slow": {0, time.Minute}, "other": {time.Second}}, at)
	})
}

func TestSlowSyncIsNotLostBesideAnError(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var fast, slow atomic.Int64
		q := New(log.NewNopLogger(), func(_ context.Context, _ string, isSlow bool) (Result[string], error) {
			if isSlow {
				slow.Add(1)
				return Result[string]{}, nil
			}
			fast.Add(1)
			return Result[string]{NeedsSlow: true}, errors.New("denied")
		}, Config[string]{Deadline: noDeadline, SlowWorkers: 1})
		stop := run(t, q, 1)
		q.Add("app")
		time.Sleep(10 * time.Millisecond)
		assert.Equal(t, int64(1), slow.Load())
		time.Sleep(time.Minute)
		stop()
		assert.Greater(t, fast.Load(), int64(1), "what failed beside it is retried")
		assert.Less(t, fast.Load(), int64(100), "with back-off")
	})
}
