package limit

import (
	"sync"
	"time"
)

// Recent remembers what happened to a key a short while ago. It is safe for use by
// several goroutines. Create it with NewRecent.
type Recent[K comparable] struct {
	within time.Duration

	mu    sync.Mutex
	times memory[K, time.Time]
}

// NewRecent returns a Recent that remembers so many keys for so long.
func NewRecent[K comparable](keys int, within time.Duration) *Recent[K] {
	r := &Recent[K]{within: within}
	r.times = newMemory[K](keys, within, func(at, now time.Time) bool { return !r.recent(at, now) })
	return r
}

// Note remembers that it happened to the key.
func (r *Recent[K]) Note(key K, now time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.times.put(key, now, now)
}

// Has reports whether it happened to the key a short while ago.
func (r *Recent[K]) Has(key K, now time.Time) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	at, noted := r.times.entries[key]
	return noted && r.recent(at, now)
}

func (r *Recent[K]) recent(at, now time.Time) bool { return now.Sub(at) < r.within }
