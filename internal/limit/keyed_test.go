package limit

import (
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/time/rate"
)

const (
	burst    = 30
	interval = 10 * time.Second
)

func newKeyed() *Keyed[string] { return NewKeyed[string](rate.Every(interval), burst, 1000) }

func TestKeyedGrantsItsRateForever(t *testing.T) {
	k, now, granted := newKeyed(), time.Unix(0, 0), 0
	for range 24 * 3600 {
		if k.Take("key", now) == 0 {
			granted++
		}
		now = now.Add(time.Second)
	}
	assert.InDelta(t, burst+24*3600/int(interval/time.Second), granted, 2)
}

func TestKeyedWaitIsJustLongEnough(t *testing.T) {
	k, now := newKeyed(), time.Unix(0, 0)
	for range burst {
		require.Zero(t, k.Take("key", now))
	}
	now = now.Add(3 * time.Second)
	wait := k.Take("key", now)
	assert.Equal(t, 7*time.Second, wait)
	assert.Equal(t, wait, k.Take("key", now), "asking costs nothing")
	assert.Equal(t, wait, k.Delay("key", now))
	assert.Zero(t, k.Delay("key", now.Add(wait)), "asking costs nothing")
	assert.Zero(t, k.Take("key", now.Add(wait)))
	assert.Positive(t, k.Take("key", now.Add(wait)))
	assert.Zero(t, k.Take("other", now), "each key has a limit of its own")
}

func TestKeyedHoldsNoMoreThanItsBurst(t *testing.T) {
	k := newKeyed()
	require.Zero(t, k.Take("key", time.Unix(0, 0)))
	later := time.Unix(0, 0).Add(time.Hour)
	for range burst {
		require.Zero(t, k.Take("key", later))
	}
	assert.Equal(t, interval, k.Take("key", later))
}

func TestKeyedRemembersABoundedNumberOfKeys(t *testing.T) {
	k, now := newKeyed(), time.Unix(0, 0)
	for i := range 10_000 {
		k.Take(fmt.Sprint(i), now)
	}
	assert.LessOrEqual(t, len(k.buckets.entries), 1000)
	assert.GreaterOrEqual(t, len(k.buckets.entries), 500)
}

func TestKeyedForgetsFullBuckets(t *testing.T) {
	k, now := newKeyed(), time.Unix(0, 0)
	for i := range 500 {
		k.Take(fmt.Sprint(i), now)
	}
	for range 3 * burst {
		k.Reserve("owing", now)
	}
	later := now.Add(burst * interval)
	k.Take("later", later)
	assert.Len(t, k.buckets.entries, 2)
	assert.Equal(t, interval*(2*burst+1-burst), k.Take("owing", later), "what it owes is not forgotten")
}

func TestKeyedIsSafeForConcurrentUse(t *testing.T) {
	k := newKeyed()
	var wg sync.WaitGroup
	granted := make(chan struct{}, 20*burst)
	for i := range 20 {
		wg.Go(func() {
			for range burst {
				k.Take(fmt.Sprint("own", i), time.Unix(0, 0))
				if k.Take("shared", time.Unix(0, 0)) == 0 {
					granted <- struct{}{}
				}
			}
		})
	}
	wg.Wait()
	assert.Len(t, granted, burst)
}

func TestKeyedRefusalsLeaveNoDebt(t *testing.T) {
	k, now := newKeyed(), time.Unix(1000, 0)
	for range burst {
		require.Zero(t, k.Take("key", now))
	}
	var wg sync.WaitGroup
	for range 30 {
		wg.Go(func() {
			for range 500 {
				k.Take("key", now)
				k.Delay("key", now)
			}
		})
	}
	wg.Wait()
	assert.Equal(t, interval, k.Take("key", now))
}

func TestKeyedCountsNoTimeTwice(t *testing.T) {
	k, now, granted := newKeyed(), time.Unix(1000, 0), 0
	for range 1000 {
		for _, at := range []time.Time{now, now.Add(-time.Minute)} {
			if k.Take("key", at) == 0 {
				granted++
			}
		}
	}
	assert.Equal(t, burst, granted)
}

func newGrouped(limit rate.Limit, burst int) *Grouped[int] {
	return NewGrouped(func(key int) string { return fmt.Sprint(key / 100) }, limit, burst, 10, 100)
}

func TestGroupedPromisesEachKeyATimeOfItsOwn(t *testing.T) {
	g, now := newGrouped(1, 2), time.Unix(1000, 0)
	var waits []time.Duration
	for key := range 5 {
		waits = append(waits, g.Take(key, now))
	}
	assert.Equal(t, []time.Duration{0, 0, time.Second, 2 * time.Second, 3 * time.Second}, waits)
	assert.Equal(t, 3*time.Second, g.Take(4, now), "the same time, however often it asks")
	assert.Positive(t, g.Take(5, now.Add(3*time.Second)), "what is promised is taken")
	assert.Zero(t, g.Take(4, now.Add(3*time.Second)))
	assert.Zero(t, g.Take(2, now.Add(time.Minute)), "a key that comes later has it still")
	assert.Zero(t, g.Take(6, now.Add(time.Minute)))
	assert.Zero(t, g.Take(100, now), "other groups are not concerned")
}

func TestGroupedRemembersABoundedNumberOfPromises(t *testing.T) {
	g, now := newGrouped(1, 1), time.Unix(1000, 0)
	for i := range 10_000 {
		g.Take(i%1000, now.Add(time.Duration(i)*time.Microsecond))
	}
	assert.LessOrEqual(t, len(g.promised.entries), 100)
}

func TestRepeatingSharesWhatAGroupRepeats(t *testing.T) {
	const groupBurst = 100
	r := NewRepeating(RepeatingConfig[int]{
		Limit: rate.Every(interval), Burst: burst,
		GroupOf: func(key int) string { return fmt.Sprint(key / 1000) }, GroupLimit: 10, GroupBurst: groupBurst,
		Within: time.Minute, Keys: 10_000, Groups: 10,
	})
	now, granted := time.Unix(0, 0), 0
	for round := range 3 {
		for key := range 500 {
			if r.Take(key, now) == 0 {
				granted++
				r.Served(key, now)
			}
		}
		if round == 0 {
			assert.Equal(t, 500, granted, "what is new is not shared")
		}
	}
	assert.Equal(t, 500+groupBurst, granted)
	assert.Zero(t, r.Take(1000, now), "other groups are not concerned")
	assert.Zero(t, r.TakeOwn(0, now), "nor is what counts for the key alone")
	assert.Positive(t, r.TakeShared(999, now), "what counts for the group in any case is")
	granted = 0
	for second := range 60 {
		for key := range 500 {
			if r.Take(key, now.Add(time.Duration(second)*time.Second)) == 0 {
				granted++
			}
		}
	}
	assert.InDelta(t, 600, granted, 20, "ten a second")
	assert.False(t, r.Repeats(0, now.Add(time.Minute)))
	assert.True(t, r.Used(0, now.Add(time.Minute)))
	assert.False(t, r.Used(0, now.Add(time.Minute+burst*interval)))
	assert.False(t, r.Used(999_999, now))
}

func TestRepeatingTakesNothingOfTheGroupForAKeyThatHasToWait(t *testing.T) {
	r := NewRepeating(RepeatingConfig[int]{
		Limit: rate.Every(interval), Burst: 1, GroupOf: func(int) string { return "" }, GroupLimit: 1, GroupBurst: 2,
		Within: time.Minute, Keys: 10, Groups: 10,
	})
	now := time.Unix(0, 0)
	require.Zero(t, r.TakeShared(1, now))
	for range 10 {
		require.Equal(t, interval, r.TakeShared(1, now))
	}
	assert.Zero(t, r.TakeShared(2, now))
}

func TestRecentRemembersForAWhile(t *testing.T) {
	r, now := NewRecent[string](2, time.Minute), time.Unix(0, 0)
	assert.False(t, r.Has("a", now))
	r.Note("a", now)
	assert.True(t, r.Has("a", now.Add(59*time.Second)))
	assert.False(t, r.Has("a", now.Add(time.Minute)))
	r.Note("b", now.Add(time.Minute))
	assert.Len(t, r.times.entries, 1, "what is over is forgotten")
	r.Note("c", now.Add(time.Minute))
	r.Note("d", now.Add(time.Minute))
	assert.Len(t, r.times.entries, 2, "and what there is no room for")
	assert.True(t, r.Has("d", now.Add(time.Minute)))
}
