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

func TestWhatANamespaceRepeatsHasHalfOfTheTurns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		turns := NewRequests(20)
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		var had atomic.Int64
		for range 7 { // as many as work for one namespace at once
			go func() {
				for turns.Wait(Repeats(ctx, "attacker")) == nil {
					had.Add(1)
				}
			}()
		}
		for i := range 600 { // ten a second of others, whose bursts are long spent
			start := time.Now()
			require.NoError(t, turns.Wait(t.Context()))
			if i > 40 {
				assert.Less(t, time.Since(start), 500*time.Millisecond, "first-time work does not wait for repeats")
			}
			time.Sleep(100*time.Millisecond - time.Since(start))
		}
		cancel()
		synctest.Wait()
		assert.InDelta(t, 600, had.Load(), 15, "half of 20 a second")
	})
}

func TestRepeatsOfOneNamespaceKeepNoOtherWaiting(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		turns := NewRequests(20)
		for range 30 {
			require.NoError(t, turns.Wait(Repeats(t.Context(), "attacker")))
		}
		start := time.Now()
		require.NoError(t, turns.Wait(Repeats(t.Context(), "other")))
		assert.Zero(t, time.Since(start))
	})
}
