package limit

import (
	"time"

	"golang.org/x/time/rate"
)

// Repeating limits each key, and what all keys of a group repeat together. What a key
// does for the first time, or again after a while, counts for the key alone. Create it
// with NewRepeating.
type Repeating[K comparable] struct {
	own    *Keyed[K]
	group  *Grouped[K]
	within time.Duration
}

// RepeatingConfig tunes a Repeating.
type RepeatingConfig[K comparable] struct {
	// Limit and Burst are those of each key.
	Limit rate.Limit
	Burst int
	// GroupOf names the group of a key. GroupLimit and GroupBurst are those of what the
	// keys of a group repeat.
	GroupOf    func(K) string
	GroupLimit rate.Limit
	GroupBurst int
	// Within is how soon after a key was served it repeats something, at most as long as
	// Burst takes to be granted again.
	Within time.Duration
	// Keys and Groups are how many are remembered.
	Keys, Groups int
}

// NewRepeating returns a Repeating under which nothing was taken.
func NewRepeating[K comparable](c RepeatingConfig[K]) Repeating[K] {
	return Repeating[K]{
		own:    NewKeyed[K](c.Limit, c.Burst, c.Keys),
		group:  NewGrouped(c.GroupOf, c.GroupLimit, c.GroupBurst, c.Groups, c.Keys),
		within: c.Within,
	}
}

// Take takes a token of the key, and one of its group if the key was served a moment
// ago, and returns 0; or it returns how long to wait.
func (r Repeating[K]) Take(key K, now time.Time) time.Duration {
	if r.Repeats(key, now) {
		return r.TakeShared(key, now)
	}
	return r.TakeOwn(key, now)
}

// TakeShared is Take of what counts for the group in any case.
func (r Repeating[K]) TakeShared(key K, now time.Time) time.Duration {
	if wait := r.own.Delay(key, now); wait > 0 {
		return wait
	}
	if wait := r.group.Take(key, now); wait > 0 {
		return wait
	}
	return r.own.Take(key, now)
}

// TakeOwn is Take of what no other key may delay.
func (r Repeating[K]) TakeOwn(key K, now time.Time) time.Duration { return r.own.Take(key, now) }

// Served notes that a key was served.
func (r Repeating[K]) Served(key K, now time.Time) { r.own.serve(key, now) }

// Repeats reports whether a key was served a moment ago.
func (r Repeating[K]) Repeats(key K, now time.Time) bool {
	return now.Sub(r.own.servedAt(key)) < r.within
}

// Used reports whether a token of the key was asked for of late, by whichever method: in
// the time that Burst takes to be granted again.
func (r Repeating[K]) Used(key K, now time.Time) bool { return r.own.used(key, now) }
