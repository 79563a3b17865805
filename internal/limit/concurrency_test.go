package limit

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestWhoHasMuchWaitsForItselfAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := NewConcurrency(2)
		var leave [3]func()
		for i, key := range []string{"a", "a", "b"} {
			var err error
			leave[i], err = s.Acquire(t.Context(), key)
			require.NoError(t, err)
		}
		short, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		_, err := s.Acquire(short, "a")
		require.ErrorIs(t, err, context.DeadlineExceeded)
		assert.Equal(t, 2, s.Keys())

		entered := make(chan func())
		go func() {
			next, err := s.Acquire(t.Context(), "a")
			assert.NoError(t, err)
			entered <- next
		}()
		synctest.Wait()
		leave[0]()
		(<-entered)()
		leave[1]()
		leave[2]()
		assert.Zero(t, s.Keys(), "nothing is kept of who has gone")
	})
}
