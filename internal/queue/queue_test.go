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
	"github.com/stretchr/testify/require"
)

// run starts a loop in a bubble and returns what ends it.
func run[K comparable](t *testing.T, l *Queue[K], workers int) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { l.Run(ctx, context.WithoutCancel(ctx), workers); close(done) }()
	return func() { cancel(); <-done }
}

func noDeadline(string) time.Time { return time.Time{} }

func TestSyncIsRepeatedAfterTheDelayItAsksFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var at []time.Duration
		start := time.Now()
		l := New(log.NewNopLogger(), func(context.Context, string, bool) (Result, error) {
			at = append(at, time.Since(start))
			return Result{After: 45 * time.Minute}, nil
		}, Config[string]{Deadline: noDeadline})
		stop := run(t, l, 2)
		l.Add("app")
		time.Sleep(100 * time.Minute)
		stop()
		assert.Equal(t, []time.Duration{0, 45 * time.Minute, 90 * time.Minute}, at)
	})
}

func TestFailuresAreRetriedForEverWithGrowingJitteredDelays(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var delays []time.Duration
		last := time.Now()
		l := New(log.NewNopLogger(), func(context.Context, string, bool) (Result, error) {
			delays = append(delays, time.Since(last))
			last = time.Now()
			return Result{}, errors.New("denied")
		}, Config[string]{Deadline: noDeadline})
		stop := run(t, l, 1)
		l.Add("app")
		time.Sleep(24 * time.Hour)
		stop()

		want := time.Second
		for i, got := range delays[1:] {
			assert.LessOrEqual(t, got, want, "retry %d", i)
			assert.GreaterOrEqual(t, got, want*7/10, "retry %d", i)
			want = min(2*want, 5*time.Minute)
		}
		assert.Greater(t, len(delays), 24*60/5, "never gives up")
		assert.NotEqual(t, delays[len(delays)-1], delays[len(delays)-2], "jittered")
	})
}

func TestAFailureBesideADelayIsRetriedWithinIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := 0
		l := New(log.NewNopLogger(), func(context.Context, string, bool) (Result, error) {
			n++
			return Result{After: 10 * time.Second}, errors.New("denied")
		}, Config[string]{Deadline: noDeadline})
		stop := run(t, l, 1)
		l.Add("app")
		time.Sleep(time.Hour)
		stop()
		assert.Greater(t, n, 350)
	})
}

func TestSuccessForgetsEarlierFailures(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var failing atomic.Bool
		var calls atomic.Int64
		l := New(log.NewNopLogger(), func(context.Context, string, bool) (Result, error) {
			calls.Add(1)
			if failing.Load() {
				return Result{}, errors.New("denied")
			}
			return Result{}, nil
		}, Config[string]{Deadline: noDeadline})
		stop := run(t, l, 1)
		failing.Store(true)
		l.Add("app")
		time.Sleep(time.Hour)
		failing.Store(false)
		time.Sleep(time.Hour)
		failing.Store(true)
		l.Add("app")
		synctest.Wait()
		before := calls.Load()
		time.Sleep(1100 * time.Millisecond)
		stop()
		assert.Equal(t, before+1, calls.Load(), "the first retry comes after a second again")
	})
}

func TestEarliestDeadlineGoesFirst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		deadlines := map[string]time.Time{
			"soon": start.Add(time.Minute), "later": start.Add(time.Hour), "nothing": {}, "nothing either": {},
		}
		var mu sync.Mutex
		var did []string
		l := New(log.NewNopLogger(), func(_ context.Context, key string, _ bool) (Result, error) {
			mu.Lock()
			defer mu.Unlock()
			did = append(did, key)
			return Result{}, nil
		}, Config[string]{Deadline: func(k string) time.Time { return deadlines[k] }})
		for _, key := range []string{"later", "nothing", "soon", "nothing either"} {
			l.Add(key)
		}
		stop := run(t, l, 1)
		synctest.Wait()
		stop()
		assert.Equal(t, []string{"nothing", "nothing either", "soon", "later"}, did)
	})
}

func TestAWaitingKeyThatIsAddedAgainMovesToItsNewDeadline(t *testing.T) {
	now := time.Now()
	deadlines := map[string]time.Time{"a": now, "b": now.Add(time.Minute), "c": now.Add(time.Hour)}
	q := newOrder(newRanking(func(k string) time.Time { return deadlines[k] }, nil, 0))
	q.staff(3)
	q.Push("a")
	q.Push("b")
	q.Push("c")
	deadlines["c"], deadlines["a"] = time.Time{}, now.Add(2*time.Hour)
	q.Touch("c")
	q.Touch("a")
	q.Touch("not there")
	assert.Equal(t, []string{"c", "b", "a"}, []string{q.Pop(), q.Pop(), q.Pop()})
	assert.Zero(t, q.Len())
	assert.Empty(t, q.waiting.index)
}

func TestASyncThatTakesLongLeavesItsKeyToOthers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var logged bytes.Buffer
		var mu sync.Mutex
		at := map[string]time.Duration{}
		start := time.Now()
		note := func(what, key string) {
			mu.Lock()
			defer mu.Unlock()
			at[what+key] = time.Since(start)
		}
		l := New(log.NewLogfmtLogger(&logged), func(_ context.Context, key string, slow bool) (Result, error) {
			if !slow {
				note("quick ", key)
				return Result{NeedsSlow: true}, nil
			}
			time.Sleep(time.Minute)
			note("slow ", key)
			return Result{}, nil
		}, Config[string]{Deadline: noDeadline, SlowWorkers: 3})
		stop := run(t, l, 1)
		for _, key := range []string{"1", "2", "3"} {
			l.Add(key)
		}
		time.Sleep(time.Hour)
		stop()
		assert.Equal(t, map[string]time.Duration{
			"quick 1": 0, "quick 2": 0, "quick 3": 0, "slow 1": time.Minute, "slow 2": time.Minute, "slow 3": 2 * time.Minute,
		}, at)
		assert.Empty(t, logged.String(), "that is no failure")
	})
}

func TestAKeyThatWaitsForASlowSyncIsSyncedQuicklyMeanwhile(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var mu sync.Mutex
		atOnce, most := map[string]int{}, 0
		var quick []time.Duration
		start := time.Now()
		enter := func(key string) {
			mu.Lock()
			defer mu.Unlock()
			atOnce[key]++
			most = max(most, atOnce[key])
		}
		leave := func(key string) {
			mu.Lock()
			defer mu.Unlock()
			atOnce[key]--
		}
		l := New(log.NewNopLogger(), func(_ context.Context, key string, slow bool) (Result, error) {
			enter(key)
			defer leave(key)
			if slow {
				time.Sleep(time.Hour) // IAM hangs
				return Result{}, nil
			}
			if mu.Lock(); key == "app" {
				quick = append(quick, time.Since(start))
			}
			mu.Unlock()
			return Result{After: 10 * time.Minute, NeedsSlow: true}, nil
		}, Config[string]{Deadline: noDeadline, SlowWorkers: 1})
		stop := run(t, l, 2)
		l.Add("other")
		synctest.Wait()
		l.Add("app")
		time.Sleep(59 * time.Minute)
		mu.Lock()
		assert.Equal(t, []time.Duration{0, 10 * time.Minute, 20 * time.Minute, 30 * time.Minute, 40 * time.Minute, 50 * time.Minute}, quick)
		mu.Unlock()
		time.Sleep(2 * time.Hour)
		stop()
		assert.Equal(t, 1, most, "never two workers with one key")
		assert.GreaterOrEqual(t, quick[6], time.Hour)
	})
}

func TestASlowSyncThatFailsIsRetriedWithBackOff(t *testing.T) {
	for name, fail := range map[string]func() (Result, error){
		"an error":                   func() (Result, error) { return Result{}, errors.New("denied") },
		"a call for a slow worker":   func() (Result, error) { return Result{NeedsSlow: true}, nil },
		"an error beside such a one": func() (Result, error) { return Result{NeedsSlow: true}, errors.New("denied") },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				calls := 0
				l := New(log.NewNopLogger(), func(_ context.Context, _ string, slow bool) (Result, error) {
					if !slow {
						return Result{NeedsSlow: true}, nil
					}
					calls++
					return fail()
				}, Config[string]{Deadline: noDeadline, SlowWorkers: 1})
				stop := run(t, l, 1)
				l.Add("app")
				time.Sleep(time.Hour)
				stop()
				assert.Greater(t, calls, 12)
				assert.Less(t, calls, 30)
			})
		})
	}
}

func TestAKeyThatNeedsASlowWorkerWhereThereIsNoneFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var logged bytes.Buffer
		calls := 0
		l := New(log.NewLogfmtLogger(&logged), func(context.Context, string, bool) (Result, error) {
			calls++
			return Result{NeedsSlow: true}, nil
		}, Config[string]{Deadline: noDeadline})
		stop := run(t, l, 1)
		l.Add("app")
		time.Sleep(time.Hour)
		stop()
		assert.Greater(t, calls, 12, "it is not forgotten")
		assert.Contains(t, logged.String(), "slow worker")
	})
}

func TestASyncIsCutShortAndRetried(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		calls := 0
		l := New(log.NewNopLogger(), func(ctx context.Context, _ string, _ bool) (Result, error) {
			calls++
			if calls > 1 {
				return Result{}, nil
			}
			<-ctx.Done()
			return Result{}, ctx.Err()
		}, Config[string]{Deadline: noDeadline, Limit: 2 * time.Minute})
		stop := run(t, l, 1)
		l.Add("app")
		time.Sleep(2*time.Minute + time.Second + time.Millisecond)
		require.NoError(t, l.Alive(2*time.Minute))
		stop()
		assert.Equal(t, 2, calls)
	})
}

func TestStopWaitsForWorkInHandAndLeavesTheRest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var finished []string
		l := New(log.NewNopLogger(), func(ctx context.Context, key string, _ bool) (Result, error) {
			select {
			case <-ctx.Done():
			case <-time.After(5 * time.Second):
				finished = append(finished, key)
			}
			return Result{}, nil
		}, Config[string]{Deadline: noDeadline, Grace: 8 * time.Second})
		stop := run(t, l, 1)
		l.Add("in hand")
		l.Add("waiting")
		synctest.Wait()
		stop()
		assert.Equal(t, []string{"in hand"}, finished)
	})
}

func TestStopAbandonsWorkAfterTheGraceTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := New(log.NewNopLogger(), func(ctx context.Context, _ string, _ bool) (Result, error) {
			<-ctx.Done()
			return Result{}, ctx.Err()
		}, Config[string]{Deadline: noDeadline, Grace: 8 * time.Second})
		stop := run(t, l, 1)
		l.Add("stuck")
		synctest.Wait()
		start := time.Now()
		stop()
		assert.Equal(t, 8*time.Second, time.Since(start))
	})
}

func TestWorkInHandHasNoGraceOnceTheRightToItIsLost(t *testing.T) {
	for name, after := range map[string]time.Duration{"at once": 0, "during the grace time": 3 * time.Second} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				l := New(log.NewNopLogger(), func(ctx context.Context, _ string, _ bool) (Result, error) {
					<-ctx.Done()
					return Result{}, ctx.Err()
				}, Config[string]{Deadline: noDeadline, Grace: 8 * time.Second})
				held, lose := context.WithCancel(t.Context())
				ctx, stop := context.WithCancel(held)
				done := make(chan struct{})
				go func() { l.Run(ctx, held, 1); close(done) }()
				l.Add("in hand")
				synctest.Wait()
				start := time.Now()
				stop()
				time.Sleep(after)
				lose()
				<-done
				assert.Equal(t, after, time.Since(start))
			})
		})
	}
}

func TestAPanicIsOneObjectsFailure(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var logged bytes.Buffer
		var did []string
		l := New(log.NewLogfmtLogger(&logged), func(_ context.Context, key string, _ bool) (Result, error) {
			if key == "bad" {
				panic("hunter2")
			}
			did = append(did, key)
			return Result{}, nil
		}, Config[string]{Deadline: noDeadline})
		stop := run(t, l, 1)
		l.Add("bad")
		l.Add("good")
		synctest.Wait()
		stop()
		assert.Equal(t, []string{"good"}, did)
		assert.Contains(t, logged.String(), "object=bad")
		assert.NotContains(t, logged.String(), "hunter2")
	})
}

func TestAliveNamesAWorkerThatIsStuck(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := New(log.NewNopLogger(), func(ctx context.Context, _ string, _ bool) (Result, error) {
			<-ctx.Done()
			return Result{}, nil
		}, Config[string]{Deadline: noDeadline})
		stop := run(t, l, 1)
		l.Add("stuck")
		synctest.Wait()
		require.NoError(t, l.Alive(time.Minute))
		time.Sleep(2 * time.Minute)
		require.ErrorContains(t, l.Alive(time.Minute), "busy with one object for 2m0s")
		stop()
		assert.NoError(t, l.Alive(time.Minute))
	})
}

func TestNoSlowSyncBeginsAfterTheEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var begun []string
		quicks := map[string]int{}
		ctx, cancel := context.WithCancel(t.Context())
		l := New(log.NewNopLogger(), func(_ context.Context, key string, slow bool) (Result, error) {
			if slow {
				begun = append(begun, key)
				time.Sleep(3 * time.Second)
				return Result{}, nil
			}
			quicks[key]++
			if key == "a" && quicks[key] == 2 {
				time.Sleep(10 * time.Second)
			}
			return Result{NeedsSlow: true}, nil
		}, Config[string]{Deadline: noDeadline, Grace: 7 * time.Second, SlowWorkers: 1})
		ended := make(chan struct{})
		go func() { l.Run(ctx, t.Context(), 1); close(ended) }()
		l.Add("b")
		synctest.Wait()
		l.Add("a")
		synctest.Wait()
		l.Add("a") // its second quick sync holds it while its turn for a slow one comes
		time.Sleep(5 * time.Second)
		cancel()
		<-ended
		assert.Equal(t, []string{"b"}, begun)
	})
}
