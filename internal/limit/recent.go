package limit

import (
	"time"

	"k8s.io/utils/lru"
)

// Recent remembers when something last happened to a key, for the keys that were
// noted last. It is safe for use by several goroutines. Create it with NewRecent.
type Recent[K comparable] struct{ times *lru.Cache }

// NewRecent returns a Recent that remembers so many keys.
func NewRecent[K comparable](keys int) Recent[K] { return Recent[K]{times: lru.New(keys)} }

// Note remembers that it happened to the key.
func (r Recent[K]) Note(key K, now time.Time) { r.times.Add(key, now) }

// Within returns whether it happened to the key less than d ago.
func (r Recent[K]) Within(key K, now time.Time, d time.Duration) bool {
	at, ok := r.times.Get(key)
	return ok && now.Sub(at.(time.Time)) < d //nolint:forcetypeassert,errcheck // nothing else is added
}
