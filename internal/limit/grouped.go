package limit

import (
	"sync"
	"time"

	"golang.org/x/time/rate"
	"k8s.io/utils/lru"
)

// Grouped is a rate limit that all keys of a group share. A key that has to wait is
// promised a time of its own: if thousands came back for the same token, that would
// be a load in itself. It is safe for use by several goroutines. Create it with
// NewGrouped.
type Grouped[K comparable] struct {
	groups *Keyed[string]
	group  func(K) string

	mu       sync.Mutex
	promised *lru.Cache // the *rate.Reservation of each key that waits
}

// NewGrouped returns a limit of so many events per second and group, with bursts,
// that remembers so many groups and keys that wait.
func NewGrouped[K comparable](group func(K) string, limit rate.Limit, burst, groups, keys int) *Grouped[K] {
	return &Grouped[K]{groups: NewKeyed[string](limit, burst, groups), group: group, promised: lru.New(keys)}
}

// Take takes a token of the key's group and returns 0. If there is none it returns
// how long it is until the time that is promised to the key: from then on Take
// returns 0, once.
func (g *Grouped[K]) Take(key K, now time.Time) time.Duration {
	g.mu.Lock()
	defer g.mu.Unlock()
	var reservation *rate.Reservation
	if promised, ok := g.promised.Get(key); ok {
		reservation = promised.(*rate.Reservation) //nolint:forcetypeassert,errcheck // nothing else is added
	} else {
		reservation = g.groups.Reserve(g.group(key), now)
	}
	wait := delay(reservation, now)
	if wait > 0 {
		g.promised.Add(key, reservation)
	} else {
		g.promised.Remove(key)
	}
	return wait
}
