package queue

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/go-kit/log"
	"github.com/stretchr/testify/assert"
)

func TestFailuresAreRetriedWithoutLimitAndWithJitteredBackoff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var delays []time.Duration
		last := time.Now()
		q := New(log.NewNopLogger(), func(context.Context, string, bool) (Result[string], error) {
			delays = append(delays, time.Since(last))
			last = time.Now()
			return Result[string]{}, errors.New("denied")
		}, Config[string]{Deadline: noDeadline})
		stop := run(t, q, 1)
		q.Add("app")
		time.Sleep(24 * time.Hour)
		stop()

		want := time.Second
		for i, got := range delays[1:] {
			assert.LessOrEqual(t, got, want, "retry %d", i)
			assert.GreaterOrEqual(t, got, want*7/10, "retry %d", i)
			want = min(2*want, 5*time.Minute)
		}
		assert.Greater(t, len(delays), 24*60/5, "no retry is the last one")
		assert.NotEqual(t, delays[len(delays)-1], delays[len(delays)-2], "jittered")
	})
}

func TestAfterLimitsTheBackoff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := 0
		q := New(log.NewNopLogger(), func(context.Context, string, bool) (Result[string], error) {
			n++
			return Result[string]{After: 10 * time.Second}, errors.New("denied")
		}, Config[string]{Deadline: noDeadline})
		stop := run(t, q, 1)
		q.Add("app")
		time.Sleep(time.Hour)
		stop()
		assert.Greater(t, n, 350)
	})
}

func TestSuccessResetsTheBackoff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var failing atomic.Bool
		var calls atomic.Int64
		q := New(log.NewNopLogger(), func(context.Context, string, bool) (Result[string], error) {
			calls.Add(1)
			if failing.Load() {
				return Result[string]{}, errors.New("denied")
			}
			return Result[string]{}, nil
		}, Config[string]{Deadline: noDeadline})
		stop := run(t, q, 1)
		failing.Store(true)
		q.Add("app")
		time.Sleep(time.Hour)
		failing.Store(false)
		time.Sleep(time.Hour)
		failing.Store(true)
		q.Add("app")
		synctest.Wait()
		before := calls.Load()
		time.Sleep(1100 * time.Millisecond)
		stop()
		assert.Equal(t, before+1, calls.Load(), "the first retry comes after one second again")
	})
}

func TestASyncBringsOthersBackFromTheirBackoff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var working atomic.Bool
		synced := make(chan string, 1000)
		q := New(log.NewNopLogger(), func(_ context.Context, key string, _ bool) (Result[string], error) {
			synced <- key
			switch {
			case key == "first":
				return Result[string]{Others: []string{"failed"}}, nil
			case working.Load():
				return Result[string]{}, nil
			default:
				return Result[string]{}, errors.New("away")
			}
		}, Config[string]{Deadline: noDeadline})
		stop := run(t, q, 1)
		defer stop()
		q.Add("failed")
		time.Sleep(time.Hour)
		synctest.Wait()
		for len(synced) > 0 {
			<-synced
		}
		working.Store(true)
		start := time.Now()
		q.Add("first")
		assert.Equal(t, "first", <-synced)
		assert.Equal(t, "failed", <-synced)
		assert.Zero(t, time.Since(start))
	})
}
