package limit

import (
	"context"
	"sync"
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
		assert.Empty(t, requests.repeats.buckets.entries)
	})
}

func TestBackgroundRequestsUseWhatNobodyWaitsFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		requests := NewRequests(20)
		start := time.Now()
		for range 40 {
			require.NoError(t, requests.Wait(Background(t.Context())))
		}
		assert.Zero(t, time.Since(start), "the burst")
		assert.True(t, requests.Busy())
		for range 20 {
			require.NoError(t, requests.Wait(Background(t.Context())))
		}
		assert.InDelta(t, time.Second, time.Since(start), float64(100*time.Millisecond))
		time.Sleep(time.Second)
		assert.False(t, requests.Busy())
	})
}

func TestBackgroundRequestsLetOthersGoFirst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const others = 240 // of which the first 40 are the burst, and the others take ten seconds
		requests, done := NewRequests(20), make(chan struct{})
		start := time.Now()
		go func() {
			defer close(done)
			var wait sync.WaitGroup
			for range others {
				wait.Go(func() { assert.NoError(t, requests.Wait(t.Context())) })
			}
			wait.Wait()
		}()
		synctest.Wait()
		var sent time.Duration
		go func() {
			assert.NoError(t, requests.Wait(Background(t.Context())))
			sent = time.Since(start)
		}()
		<-done
		assert.InDelta(t, 10*time.Second, time.Since(start), float64(10*time.Millisecond), "nobody waited for it")
		time.Sleep(time.Second)
		synctest.Wait()
		assert.InDelta(t, 10*time.Second, sent, float64(200*time.Millisecond))
	})
}

func TestBackgroundRequestWaitsNoLongerThanTenSecondsForATurn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		requests := NewRequests(20)
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		for range 50 { // always somebody
			go func() {
				for requests.Wait(ctx) == nil {
					continue
				}
			}()
		}
		synctest.Wait()
		start := time.Now()
		require.NoError(t, requests.Wait(Background(t.Context())))
		assert.Greater(t, time.Since(start), 10*time.Second)
		assert.Less(t, time.Since(start), 14*time.Second, "then it is in line")
	})
}

func TestBackgroundRequestEndsWithItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		requests := NewRequests(0.1)
		require.NoError(t, requests.Wait(t.Context()))
		ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
		defer cancel()
		require.Error(t, requests.Wait(Background(ctx)))
	})
}

func TestForAllIsNotInTheBackground(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		requests := NewRequests(1) // bursts of 2
		others := func() {
			for range 10 {
				go func() { _ = requests.Wait(t.Context()) }()
			}
			synctest.Wait()
		}
		others()
		start := time.Now()
		done := make(chan time.Duration)
		go func() {
			assert.NoError(t, requests.Wait(ForAll(Background(t.Context()))))
			done <- time.Since(start)
		}()
		synctest.Wait()
		others()
		assert.InDelta(t, 9*time.Second, <-done, float64(10*time.Millisecond), "it was in line before the others")
		time.Sleep(time.Minute)
	})
}
