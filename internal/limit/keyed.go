// Package limit has rate limits by key and limits of concurrency by key. It counts
// with golang.org/x/time/rate, and keeps a bounded number of keys.
package limit

import (
	"context"
	"sync"
	"time"

	"golang.org/x/time/rate"
	"k8s.io/utils/lru"
)

// Keyed is a rate limit for each key. It remembers the keys that were used last; a
// key that it has forgotten begins with a full bucket. It is safe for use by several
// goroutines. Create it with NewKeyed.
type Keyed[K comparable] struct {
	limit rate.Limit
	burst int

	mu      sync.Mutex
	buckets *lru.Cache // of *bucket
}

// bucket is the limiter of one key.
type bucket struct {
	*rate.Limiter

	// last is the latest time that it was used at. A limiter that is given an earlier
	// one counts the time between twice.
	last time.Time
}

// NewKeyed returns a limit of so many events per second and key, with bursts, that
// remembers so many keys.
func NewKeyed[K comparable](limit rate.Limit, burst, keys int) *Keyed[K] {
	return &Keyed[K]{limit: limit, burst: burst, buckets: lru.New(keys)}
}

// Take takes a token of the key and returns 0. If there is none it takes nothing and
// returns how long it is until there is one.
func (k *Keyed[K]) Take(key K, now time.Time) time.Duration {
	k.mu.Lock()
	defer k.mu.Unlock()
	reservation, now := k.reserve(key, now)
	wait := delay(reservation, now)
	if wait > 0 {
		reservation.CancelAt(now)
	}
	return wait
}

// Delay returns what Take would return, and takes nothing.
func (k *Keyed[K]) Delay(key K, now time.Time) time.Duration {
	k.mu.Lock()
	defer k.mu.Unlock()
	reservation, now := k.reserve(key, now)
	defer reservation.CancelAt(now)
	return delay(reservation, now)
}

// Reserve takes a token of the key, now or as soon as there is one.
func (k *Keyed[K]) Reserve(key K, now time.Time) *rate.Reservation {
	k.mu.Lock()
	defer k.mu.Unlock()
	reservation, _ := k.reserve(key, now)
	return reservation
}

// Wait takes a token of the key, and waits for it until ctx is done.
func (k *Keyed[K]) Wait(ctx context.Context, key K) error {
	k.mu.Lock()
	limiter := k.of(key).Limiter
	k.mu.Unlock()
	return limiter.Wait(ctx)
}

// reserve returns a reservation, and the time that it was made at. A reservation can
// be cancelled without a trace only if none is made after it: k.mu is held until then.
func (k *Keyed[K]) reserve(key K, now time.Time) (*rate.Reservation, time.Time) {
	b := k.of(key)
	if now.After(b.last) {
		b.last = now
	}
	return b.ReserveN(b.last, 1), b.last
}

func (k *Keyed[K]) of(key K) *bucket {
	if known, ok := k.buckets.Get(key); ok {
		return known.(*bucket) //nolint:forcetypeassert,errcheck // nothing else is added
	}
	b := &bucket{Limiter: rate.NewLimiter(k.limit, k.burst)}
	k.buckets.Add(key, b)
	return b
}

// delay is how long it is until the time of a reservation, rounded up, because the
// limiter counts with floating-point numbers and whoever comes back a nanosecond
// early has to come back once more.
func delay(reservation *rate.Reservation, now time.Time) time.Duration {
	const step = time.Millisecond
	return (reservation.DelayFrom(now) + step - 1).Truncate(step)
}
