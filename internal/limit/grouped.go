package limit

import (
	"sync"
	"time"

	"golang.org/x/time/rate"
)

// Grouped is a rate limit that all keys of a group share. A key that has to wait is
// promised a time of its own: if thousands came back for the same token, that would
// be a load in itself. It is safe for use by several goroutines. Create it with
// NewGrouped.
type Grouped[K comparable] struct {
	groups *Keyed[string]
	group  func(K) string

	mu       sync.Mutex
	promised memory[K, *rate.Reservation] // of each key that waits
}

// keepPromise is how long after its time a key may still come for its token.
const keepPromise = time.Hour

// NewGrouped returns a limit of so many events per second and group, with bursts,
// that remembers so many groups and keys that wait.
func NewGrouped[K comparable](group func(K) string, limit rate.Limit, burst, groups, keys int) *Grouped[K] {
	return &Grouped[K]{groups: NewKeyed[string](limit, burst, groups), group: group, promised: newMemory[K](keys, keepPromise, isOver)}
}

// Take takes a token of the key's group and returns 0. If there is none it returns
// how long it is until the time that is promised to the key: from then on Take
// returns 0, once.
func (g *Grouped[K]) Take(key K, now time.Time) time.Duration {
	g.mu.Lock()
	defer g.mu.Unlock()
	reservation, promised := g.promised.entries[key]
	if !promised {
		reservation = g.groups.Reserve(g.group(key), now)
	}
	wait := delay(reservation, now)
	if wait > 0 {
		g.promised.put(key, reservation, now)
	} else {
		delete(g.promised.entries, key)
	}
	return wait
}

// isOver reports whether the time of a reservation is long over.
func isOver(reservation *rate.Reservation, now time.Time) bool {
	return reservation.DelayFrom(now.Add(-keepPromise)) == 0
}
