package limit

import (
	"context"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestRepeatsOfANamespaceGetHalfOfTheRate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		requests := NewRequests(20)
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		var sent atomic.Int64
		for range 7 { // as many workers as one namespace may use
			go func() {
				for requests.Wait(Repeats(ctx, "attacker")) == nil {
					sent.Add(1)
				}
			}()
		}
		for i := range 600 { // ten a second by others; the burst is soon used up
			start := time.Now()
			require.NoError(t, requests.Wait(t.Context()))
			if i > 40 {
				assert.Less(t, time.Since(start), 500*time.Millisecond, "first requests do not wait for repeats")
			}
			time.Sleep(100*time.Millisecond - time.Since(start))
		}
		cancel()
		synctest.Wait()
		assert.InDelta(t, 600, sent.Load(), 15, "half of 20 a second")
	})
}

func TestRepeatsOfOneNamespaceDoNotDelayAnother(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		requests := NewRequests(20)
		for range 30 {
			require.NoError(t, requests.Wait(Repeats(t.Context(), "attacker")))
		}
		start := time.Now()
		require.NoError(t, requests.Wait(Repeats(t.Context(), "other")))
		assert.Zero(t, time.Since(start))
	})
}

func TestBurstsAreTwiceTheRate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		requests := NewRequests(20)
		start := time.Now()
		for range 40 {
			require.NoError(t, requests.Wait(t.Context()))
		}
		assert.Zero(t, time.Since(start))
		for range 20 {
			require.NoError(t, requests.Wait(t.Context()))
		}
		assert.InDelta(t, time.Second, time.Since(start), float64(time.Millisecond))
	})
}

func TestBusyNamespaceIsNotForgotten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		requests := NewRequests(20)
		repeat := func(namespace string, n int) time.Duration {
			start := time.Now()
			for range n {
				require.NoError(t, requests.Wait(Repeats(t.Context(), namespace)))
			}
			return time.Since(start)
		}
		repeat("other", 1)
		time.Sleep(time.Minute)
		assert.Zero(t, repeat("attacker", 10))
		time.Sleep(time.Millisecond)
		repeat("other", 1)
		assert.NotZero(t, repeat("attacker", 10), "its burst is used up")
	})
}

func TestForAllIsNoRepeat(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		requests := NewRequests(20)
		start := time.Now()
		for range 40 {
			require.NoError(t, requests.Wait(ForAll(Repeats(t.Context(), "attacker"))))
		}
		assert.Zero(t, time.Since(start))
		assert.Zero(t, requests.repeats.buckets.Len())
	})
}
