package limit

import (
	"context"
	"sync"
	"time"

	"golang.org/x/time/rate"
)

// Keyed is a rate limit for each key. It forgets keys whose bucket is full again. It is
// safe for use by several goroutines. Create it with NewKeyed.
type Keyed[K comparable] struct {
	limit rate.Limit
	burst int
	// refill is how long it takes to fill an empty bucket, in which a key counts as used.
	refill time.Duration

	mu      sync.Mutex
	buckets memory[K, *bucket]
}

// bucket is the limiter of one key.
type bucket struct {
	*rate.Limiter

	// last is the latest time that it was used at. A limiter that is given an earlier
	// one counts the time between twice.
	last time.Time
	// served is what Repeating remembers of the key.
	served time.Time
}

// How long an unused bucket is remembered at least, and at most if it is full.
const (
	minIdle = time.Minute
	maxIdle = 24 * time.Hour
)

// NewKeyed returns a limit of so many events per second and key, with bursts, that
// remembers so many keys.
func NewKeyed[K comparable](limit rate.Limit, burst, keys int) *Keyed[K] {
	refill := min(float64(burst)/float64(limit), maxIdle.Seconds())
	k := &Keyed[K]{limit: limit, burst: burst, refill: max(minIdle, time.Duration(refill*float64(time.Second)))}
	k.buckets = newMemory[K](keys, k.refill, k.idle)
	return k
}

// idle reports whether a bucket is like a new one: what waits may owe more than a burst.
func (k *Keyed[K]) idle(b *bucket, now time.Time) bool {
	return now.Sub(b.last) >= k.refill && now.Sub(b.served) >= k.refill && b.TokensAt(now) >= float64(k.burst)
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
	b := k.of(key, time.Now())
	k.mu.Unlock()
	return b.Wait(ctx)
}

// used reports whether a token of the key was asked for of late.
func (k *Keyed[K]) used(key K, now time.Time) bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	b, known := k.buckets.entries[key]
	return known && now.Sub(b.last) < k.refill
}

// serve notes that a key was served.
func (k *Keyed[K]) serve(key K, now time.Time) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.of(key, now).served = now
}

// servedAt returns when a key was last served, the zero Time if that is long ago.
func (k *Keyed[K]) servedAt(key K) time.Time {
	k.mu.Lock()
	defer k.mu.Unlock()
	if b, known := k.buckets.entries[key]; known {
		return b.served
	}
	return time.Time{}
}

// reserve returns a reservation, and the time that it was made at. A reservation can
// be cancelled without a trace only if none is made after it: k.mu is held until then.
func (k *Keyed[K]) reserve(key K, now time.Time) (*rate.Reservation, time.Time) {
	b := k.of(key, now)
	if now.After(b.last) {
		b.last = now
	}
	return b.ReserveN(b.last, 1), b.last
}

func (k *Keyed[K]) of(key K, now time.Time) *bucket {
	b, known := k.buckets.entries[key]
	if !known {
		b = &bucket{Limiter: rate.NewLimiter(k.limit, k.burst)}
		k.buckets.put(key, b, now)
	}
	return b
}

// delay is how long it is until the time of a reservation, rounded up, because the
// limiter counts with floating-point numbers and whoever comes back a nanosecond
// early has to come back once more.
func delay(reservation *rate.Reservation, now time.Time) time.Duration {
	const step = time.Millisecond
	return (reservation.DelayFrom(now) + step - 1).Truncate(step)
}
