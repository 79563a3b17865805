package limit

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestBusyKeyDelaysOnlyItself(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := NewConcurrency(2)
		var release [3]func()
		for i, key := range []string{"a", "a", "b"} {
			var err error
			release[i], err = c.Acquire(t.Context(), key)
			require.NoError(t, err)
		}
		short, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		_, err := c.Acquire(short, "a")
		require.ErrorIs(t, err, context.DeadlineExceeded)
		assert.Equal(t, 2, c.Keys())

		acquired := make(chan func())
		go func() {
			next, err := c.Acquire(t.Context(), "a")
			assert.NoError(t, err)
			acquired <- next
		}()
		synctest.Wait()
		release[0]()
		(<-acquired)()
		release[1]()
		release[2]()
		assert.Zero(t, c.Keys(), "no state of idle keys is kept")
	})
}

func TestTryAcquireFailsIfNoSlotIsFree(t *testing.T) {
	c := NewConcurrency(1)
	release, ok := c.TryAcquire("a")
	require.True(t, ok)
	_, ok = c.TryAcquire("a")
	assert.False(t, ok)
	_, ok = c.TryAcquire("b")
	assert.True(t, ok)
	release()
	assert.Equal(t, 1, c.Keys(), "the failed attempt leaves no state behind")
}
