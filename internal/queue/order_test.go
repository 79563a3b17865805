package queue

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// flows makes an order of keys such as a/1, whose flow is a, with more workers
// than any test needs.
func flows(deadlines map[string]time.Time) *order[string] {
	o := newOrder(byDeadline(deadlines))
	o.staff(100_000)
	return o
}

func byDeadline(deadlines map[string]time.Time) ranking[string] {
	return newRanking(func(k string) time.Time { return deadlines[k] }, flowOf, 10*time.Minute)
}

// out takes n keys out that are done at once.
func out(o *order[string], n int) (keys []string) {
	for range n {
		key := o.Pop()
		o.done(key)
		keys = append(keys, key)
	}
	return keys
}

// push adds keys.
func push(o *order[string], keys ...string) {
	for _, key := range keys {
		o.Push(key)
	}
}

func TestFlowsWhoseKeysPressTakeTurns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		in := func(d time.Duration) time.Time { return time.Now().Add(d) }
		o := flows(map[string]time.Time{"c/soon": in(9 * time.Minute), "c/later": in(time.Hour), "b/late": in(11 * time.Minute)})
		for i := range 10_000 {
			push(o, fmt.Sprintf("a/%d", i))
		}
		push(o, "b/1", "b/2", "b/late", "c/later", "c/soon")
		assert.Equal(t, []string{"a/0", "b/1", "c/soon", "a/1", "b/2", "a/2"}, out(o, 6))
		time.Sleep(2 * time.Minute)
		assert.Equal(t, []string{"a/3", "b/late", "a/4"}, out(o, 3), "it presses by now")
		rest := out(o, o.Len())
		assert.Equal(t, []string{"a/9999", "c/later"}, rest[len(rest)-2:], "even these come")
		assert.Empty(t, o.waiting.line.lanes, "nothing is remembered")
		assert.Empty(t, o.waiting.index)
		assert.Empty(t, o.working)
	})
}

func TestWhatRunsOutGoesBeforeWhatHasNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		in := func(d time.Duration) time.Time { return time.Now().Add(d) }
		o := flows(map[string]time.Time{
			"a/fresh": in(time.Hour), "a/less": in(11 * time.Minute), "a/soon": in(9 * time.Minute), "a/at once": in(time.Second),
			"a/forged": time.Date(0, 1, 1, 0, 0, 0, 0, time.UTC), "a/past": in(-time.Hour),
		})
		push(o, "a/fresh", "a/nothing", "a/forged", "a/less", "a/soon", "a/past", "a/at once")
		assert.Equal(t, []string{"a/at once", "a/soon", "a/nothing", "a/forged", "a/past", "a/less", "a/fresh"}, out(o, 7))
	})
}

func TestAKeyThatIsAddedAgainKeepsItsTurn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		deadlines := map[string]time.Time{"a/4": time.Now().Add(20 * time.Minute)}
		o := flows(deadlines)
		push(o, "a/1", "a/2", "a/3", "a/4")
		time.Sleep(time.Minute)
		o.Touch("a/1")
		o.Touch("not there")
		assert.Equal(t, []string{"a/1"}, out(o, 1))
		deadlines["a/2"] = time.Now().Add(time.Hour) // it was served meanwhile
		o.Touch("a/2")
		assert.Equal(t, []string{"a/3", "a/4"}, out(o, 2))
		push(o, "a/5")
		time.Sleep(time.Second)
		deadlines["a/2"] = time.Time{} // and what it had is gone
		o.Touch("a/2")
		assert.Equal(t, []string{"a/5", "a/2"}, out(o, 2))
	})
}

func TestAFlowLeavesWorkersToOthersThatWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := flows(map[string]time.Time{"b/fresh": time.Now().Add(time.Hour)})
		o.staff(8)
		for i := range 100 {
			push(o, fmt.Sprintf("a/%d", i))
		}
		for range 4 {
			assert.Equal(t, "a", flowOf(o.Pop()), "all workers are for a flow that is alone")
		}
		push(o, "b/1", "b/fresh")
		assert.Equal(t, "b/1", o.Pop())
		assert.Equal(t, "b/fresh", o.Pop(), "even what does not press goes before more than a share")
		assert.Equal(t, "a/4", o.Pop())
		o.Pop()
		assert.Zero(t, o.Len(), "no more than there are workers")
		o.done("a/4")
		assert.Equal(t, 94, o.Len())
	})
}

func TestAFlowThatHasItsShareAlsoLeavesWorkersToWhatDoesNotPress(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		in := func(d time.Duration) time.Time { return time.Now().Add(d) }
		o := flows(map[string]time.Time{
			"a/1": in(11 * time.Minute), "a/2": in(12 * time.Minute), "a/3": in(13 * time.Minute), "a/4": in(14 * time.Minute),
			"b/1": in(time.Hour), "c/1": in(2 * time.Hour),
		})
		o.staff(8)
		push(o, "c/1", "b/1", "a/4", "a/3", "a/2", "a/1")
		var popped []string
		for o.Len() > 0 {
			popped = append(popped, o.Pop())
		}
		assert.Equal(t, []string{"a/1", "a/2", "b/1", "c/1", "a/3", "a/4"}, popped)
	})
}

func TestSlowKeysLeaveAWorkerToOtherFlows(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newBacklog(byDeadline(nil), nil)
		s.staff(4)
		next := func() string {
			if s.waiting.next() == nil {
				return ""
			}
			key, _, _ := s.get()
			return key
		}
		for _, key := range []string{"a/1", "a/2", "a/3", "a/4", "a/5", "a/1"} {
			s.add(key)
		}
		assert.Equal(t, []string{"a/1", "a/2", "a/3"}, []string{next(), next(), next()})
		assert.Empty(t, next(), "the last is for another flow")
		s.add("b/1")
		assert.Equal(t, "b/1", next())
		assert.Empty(t, next())
		s.done(s.waiting.line.lanes["a"])
		assert.Equal(t, "a/4", next())
		s.end()
		_, _, ok := s.get()
		assert.False(t, ok)
	})
}

func TestNothingIsLostOrDoubledWhateverHappens(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		random := rand.New(rand.NewPCG(1, 2))
		deadlines := map[string]time.Time{}
		o := flows(deadlines)
		o.staff(5)
		waiting, working := map[string]bool{}, map[string]bool{}
		for range 20_000 {
			time.Sleep(time.Second)
			key := fmt.Sprintf("%d/%d", random.IntN(6), random.IntN(20))
			deadlines[key] = time.Now().Add(time.Duration(random.IntN(3600)-600) * time.Second)
			switch {
			case working[key]:
				o.done(key)
				delete(working, key)
			case waiting[key]:
				o.Touch(key)
			default:
				o.Push(key)
				waiting[key] = true
			}
			if random.IntN(2) == 0 && o.Len() > 0 {
				got := o.Pop()
				require.True(t, waiting[got])
				delete(waiting, got)
				working[got] = true
			}
			require.Len(t, o.waiting.index, len(waiting))
			require.Len(t, o.working, len(working))
			require.Equal(t, len(waiting), o.waiting.line.waiting)
			require.LessOrEqual(t, o.waiting.line.atWork, 5)
		}
	})
}

func BenchmarkTenThousandKeysOfOneFlow(b *testing.B) {
	o := flows(nil)
	o.staff(30)
	for i := range 10_000 {
		push(o, fmt.Sprintf("a/%d", i))
	}
	for i := range 3 {
		push(o, fmt.Sprintf("b/%d", i))
	}
	for b.Loop() {
		if o.Len() > 0 {
			key := o.Pop()
			o.done(key)
			o.Push(key)
		}
	}
}
