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

// testStore returns a store of keys such as a/1, whose tenant is a, with more
// workers than any test needs.
func testStore(deadlines map[string]time.Time) *store[string] {
	s := newStore(testPending(deadlines))
	s.setWorkers(100_000)
	return s
}

func testPending(deadlines map[string]time.Time) pending[string] {
	return newPending(func(k string) time.Time { return deadlines[k] }, tenantOf, 10*time.Minute)
}

// popDone pops n keys, each of which is done before the next.
func popDone(s *store[string], n int) (keys []string) {
	for range n {
		key := s.Pop()
		s.done(key)
		keys = append(keys, key)
	}
	return keys
}

func push(s *store[string], keys ...string) {
	for _, key := range keys {
		s.Push(key)
	}
}

func TestTenantsWithUrgentKeysTakeTurns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		in := func(d time.Duration) time.Time { return time.Now().Add(d) }
		s := testStore(map[string]time.Time{"c/soon": in(9 * time.Minute), "c/later": in(time.Hour), "b/late": in(11 * time.Minute)})
		for i := range 10_000 {
			push(s, fmt.Sprintf("a/%d", i))
		}
		push(s, "b/1", "b/2", "b/late", "c/later", "c/soon")
		assert.Equal(t, []string{"a/0", "b/1", "c/soon", "a/1", "b/2", "a/2"}, popDone(s, 6))
		time.Sleep(2 * time.Minute)
		assert.Equal(t, []string{"a/3", "b/late", "a/4"}, popDone(s, 3), "b/late has become urgent")
		rest := popDone(s, s.Len())
		assert.Equal(t, []string{"a/9999", "c/later"}, rest[len(rest)-2:], "keys that are not urgent go last")
		assert.Empty(t, s.pending.queue.tenants, "no state is left behind")
		assert.Empty(t, s.pending.entries)
		assert.Empty(t, s.inFlight)
	})
}

func TestApproachingDeadlinesGoBeforeKeysWithoutOne(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		in := func(d time.Duration) time.Time { return time.Now().Add(d) }
		s := testStore(map[string]time.Time{
			"a/fresh": in(time.Hour), "a/less": in(11 * time.Minute), "a/soon": in(9 * time.Minute), "a/now": in(time.Second),
			"a/forged": time.Date(0, 1, 1, 0, 0, 0, 0, time.UTC), "a/past": in(-time.Hour),
		})
		push(s, "a/fresh", "a/none", "a/forged", "a/less", "a/soon", "a/past", "a/now")
		assert.Equal(t, []string{"a/now", "a/soon", "a/none", "a/forged", "a/past", "a/less", "a/fresh"}, popDone(s, 7))
	})
}

func TestKeyWithoutDeadlineKeepsItsPlaceWhenAddedAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		deadlines := map[string]time.Time{"a/4": time.Now().Add(20 * time.Minute)}
		s := testStore(deadlines)
		push(s, "a/1", "a/2", "a/3", "a/4")
		time.Sleep(time.Minute)
		s.Touch("a/1")
		s.Touch("a/unknown")
		assert.Equal(t, []string{"a/1"}, popDone(s, 1))
		deadlines["a/2"] = time.Now().Add(time.Hour) // it was synced meanwhile
		s.Touch("a/2")
		assert.Equal(t, []string{"a/3", "a/4"}, popDone(s, 2))
		push(s, "a/5")
		time.Sleep(time.Second)
		deadlines["a/2"] = time.Time{} // and lost its credentials
		s.Touch("a/2")
		assert.Equal(t, []string{"a/5", "a/2"}, popDone(s, 2))
	})
}

func TestTenantMovesWithTheDeadlineOfItsFirstKey(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		in := func(d time.Duration) time.Time { return time.Now().Add(d) }
		deadlines := map[string]time.Time{"a/1": in(time.Hour), "b/1": in(2 * time.Hour), "c/1": in(3 * time.Hour)}
		s := testStore(deadlines)
		push(s, "a/1", "b/1", "c/1")
		deadlines["b/1"], deadlines["c/1"] = in(30*time.Minute), in(time.Minute)
		s.Touch("b/1")
		s.Touch("c/1")
		assert.Equal(t, []string{"c/1", "b/1", "a/1"}, popDone(s, 3))
	})
}

func TestTenantLeavesWorkersToOthersThatWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := testStore(map[string]time.Time{"b/fresh": time.Now().Add(time.Hour)})
		s.setWorkers(8)
		for i := range 100 {
			push(s, fmt.Sprintf("a/%d", i))
		}
		for range 4 {
			assert.Equal(t, "a", tenantOf(s.Pop()), "a tenant on its own may use all workers")
		}
		push(s, "b/1", "b/fresh")
		assert.Equal(t, "b/1", s.Pop())
		assert.Equal(t, "b/fresh", s.Pop(), "a key that is not urgent goes before another tenant's fifth")
		assert.Equal(t, "a/4", s.Pop())
		s.Pop()
		assert.Zero(t, s.Len(), "all workers are busy")
		s.done("a/4")
		assert.Equal(t, 94, s.Len())
	})
}

func TestFairShareAppliesToKeysThatAreNotUrgent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		in := func(d time.Duration) time.Time { return time.Now().Add(d) }
		s := testStore(map[string]time.Time{
			"a/1": in(11 * time.Minute), "a/2": in(12 * time.Minute), "a/3": in(13 * time.Minute), "a/4": in(14 * time.Minute),
			"b/1": in(time.Hour), "c/1": in(2 * time.Hour),
		})
		s.setWorkers(8)
		push(s, "c/1", "b/1", "a/4", "a/3", "a/2", "a/1")
		var popped []string
		for s.Len() > 0 {
			popped = append(popped, s.Pop())
		}
		assert.Equal(t, []string{"a/1", "a/2", "b/1", "c/1", "a/3", "a/4"}, popped)
	})
}

func TestBacklogLeavesAWorkerToOtherTenants(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBacklog(testPending(nil), nil)
		b.setWorkers(4)
		next := func() string {
			if b.pending.next() == nil {
				return ""
			}
			key, _, _ := b.get()
			return key
		}
		for _, key := range []string{"a/1", "a/2", "a/3", "a/4", "a/5", "a/1"} {
			b.add(key)
		}
		assert.Equal(t, []string{"a/1", "a/2", "a/3"}, []string{next(), next(), next()})
		assert.Empty(t, next(), "the last worker is kept for another tenant")
		b.add("b/1")
		assert.Equal(t, "b/1", next())
		assert.Empty(t, next())
		b.done(b.pending.queue.tenants["a"])
		assert.Equal(t, "a/4", next())
		b.shutDown()
		_, _, ok := b.get()
		assert.False(t, ok)
	})
}

func TestBacklogWakesAWaitingWorkerWhenATenantMayHaveAnother(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBacklog(testPending(nil), nil)
		b.setWorkers(2)
		b.add("a/1")
		b.add("a/2")
		_, tenant, _ := b.get()
		got := make(chan string, 1)
		go func() { key, _, _ := b.get(); got <- key }()
		synctest.Wait()
		require.Empty(t, got, "one worker is kept for another tenant")
		b.done(tenant)
		assert.Equal(t, "a/2", <-got)
	})
}

func TestRandomOperationsNeitherLoseNorDuplicateKeys(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		random := rand.New(rand.NewPCG(1, 2))
		deadlines := map[string]time.Time{}
		s := testStore(deadlines)
		s.setWorkers(5)
		waiting, working := map[string]bool{}, map[string]bool{}
		for range 20_000 {
			time.Sleep(time.Second)
			key := fmt.Sprintf("%d/%d", random.IntN(6), random.IntN(20))
			deadlines[key] = time.Now().Add(time.Duration(random.IntN(3600)-600) * time.Second)
			switch {
			case working[key]:
				s.done(key)
				delete(working, key)
			case waiting[key]:
				s.Touch(key)
			default:
				s.Push(key)
				waiting[key] = true
			}
			if random.IntN(2) == 0 && s.Len() > 0 {
				got := s.Pop()
				require.True(t, waiting[got])
				delete(waiting, got)
				working[got] = true
			}
			require.Len(t, s.pending.entries, len(waiting))
			require.Len(t, s.inFlight, len(working))
			require.Equal(t, len(waiting), s.pending.queue.waiting)
			require.LessOrEqual(t, s.pending.queue.inFlight, 5)
		}
	})
}

func TestAddingAWaitingKeyAgainMovesItToItsNewDeadline(t *testing.T) {
	now := time.Now()
	deadlines := map[string]time.Time{"a": now, "b": now.Add(time.Minute), "c": now.Add(time.Hour)}
	s := newStore(newPending(func(k string) time.Time { return deadlines[k] }, nil, 0))
	s.setWorkers(3)
	s.Push("a")
	s.Push("b")
	s.Push("c")
	deadlines["c"], deadlines["a"] = time.Time{}, now.Add(2*time.Hour)
	s.Touch("c")
	s.Touch("a")
	s.Touch("a/unknown")
	assert.Equal(t, []string{"c", "b", "a"}, []string{s.Pop(), s.Pop(), s.Pop()})
	assert.Zero(t, s.Len())
	assert.Empty(t, s.pending.entries)
}

func BenchmarkStoreWithTenThousandKeysOfOneTenant(b *testing.B) {
	s := testStore(nil)
	s.setWorkers(30)
	for i := range 10_000 {
		push(s, fmt.Sprintf("a/%d", i))
	}
	for i := range 3 {
		push(s, fmt.Sprintf("b/%d", i))
	}
	for b.Loop() {
		if s.Len() > 0 {
			key := s.Pop()
			s.done(key)
			s.Push(key)
		}
	}
}
