package leader

import (
	"testing"
	"testing/synctest"
	"time"
	"unsafe"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// ago returns a time that was so long ago by the wall clock and by the monotonic clock. No function of the package
// time makes one in which they differ, as they do once a machine was suspended, or its clock was set.
func ago(t *testing.T, wall, monotonic time.Duration) time.Time {
	t.Helper()
	then := time.Now().Add(-wall)
	// The second field is the monotonic reading in nanoseconds.
	(*struct {
		wall      uint64
		monotonic int64
		location  *time.Location
	})(unsafe.Pointer(&then)).monotonic += int64(wall - monotonic)
	require.InDelta(t, monotonic, time.Since(then), float64(time.Second))
	require.InDelta(t, wall, time.Now().Round(0).Sub(then.Round(0)), float64(time.Second))
	return then
}

func TestFenceReliesOnTheClockThatWentFurther(t *testing.T) {
	for name, tc := range map[string]struct {
		wall, monotonic time.Duration
		lost            bool
	}{
		"both agree":                                 {time.Second, time.Second, false},
		"the machine was suspended":                  {time.Hour, time.Second, true},
		"the clock was set back":                     {-time.Hour, trusted + time.Second, true},
		"the clock was set back, but it was renewed": {-time.Hour, time.Second, false},
	} {
		t.Run(name, func(t *testing.T) {
			f := NewFence()
			f.renewed = ago(t, tc.wall, tc.monotonic)
			assert.Equal(t, tc.lost, f.Check() != nil)
			f = NewFence()
			f.renew(ago(t, tc.wall, tc.monotonic))
			assert.Equal(t, tc.lost, f.Check() != nil, "a late answer")
		})
	}
}

func TestRenewalIsTrustedForExactlySoLong(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		assert.Equal(t, 12*time.Second, trusted, "what is in flight then has three seconds, until the Lease runs out")
		f := NewFence()
		f.renewed = time.Now()
		time.Sleep(trusted - time.Nanosecond)
		require.NoError(t, f.Check())
		time.Sleep(time.Nanosecond)
		require.ErrorIs(t, f.Check(), ErrLost)
	})
}

func TestOnlyALeaseThatIsHeldIsLost(t *testing.T) {
	f := NewFence()
	f.lose()
	require.NoError(t, f.Check(), "never held")
	f.renew(time.Now())
	f.release()
	f.lose()
	require.NoError(t, f.Check(), "released")
	f.renew(time.Now())
	f.lose()
	f.lose()
	require.ErrorIs(t, f.Check(), ErrLost)
	f.release()
	assert.ErrorIs(t, f.Check(), ErrLost, "for good")
}
