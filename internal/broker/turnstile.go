package broker

import (
	"maps"
	"time"

	"kube-aws-iam-controller/internal/identity"
)

// A turnstile lets so many identities of a namespace through at once and then one
// each time. Whoever has to wait is promised a time of its own: thousands that all
// came back for the next one would be work in themselves. The zero value of its
// maps is not ready: see newTurnstile.
type turnstile struct {
	burst  int
	refill time.Duration
	// emptyAt is when the bucket of a namespace is empty, with all that is promised.
	emptyAt  map[string]time.Time
	promised map[identity.Key]time.Time
}

func newTurnstile(burst int, refill time.Duration) turnstile {
	return turnstile{burst: burst, refill: refill, emptyAt: map[string]time.Time{}, promised: map[identity.Key]time.Time{}}
}

// pass returns 0 if an identity may go through now, or how long it is until the
// time that it is promised.
func (t *turnstile) pass(key identity.Key, now time.Time) time.Duration {
	at, promised := t.promised[key]
	if !promised {
		var over time.Duration
		if t.emptyAt[key.Namespace], over = pour(t.emptyAt[key.Namespace], now, t.refill, t.burst); over == 0 {
			return 0
		}
		at = now.Add(over)
		t.promised[key] = at
	}
	if wait := at.Sub(now); wait > 0 {
		return wait
	}
	delete(t.promised, key)
	return 0
}

// try says whether one more of a namespace may go through now. It promises nothing.
func (t *turnstile) try(namespace string, now time.Time) bool {
	emptyAt, over := pour(t.emptyAt[namespace], now, t.refill, t.burst)
	if over == 0 {
		t.emptyAt[namespace] = emptyAt
	}
	return over == 0
}

// giveBack takes back one that went through.
func (t *turnstile) giveBack(namespace string) {
	if emptyAt, is := t.emptyAt[namespace]; is {
		t.emptyAt[namespace] = emptyAt.Add(-t.refill)
	}
}

// sweep forgets empty buckets, and promises to those that never came.
func (t *turnstile) sweep(now time.Time) {
	maps.DeleteFunc(t.emptyAt, func(_ string, emptyAt time.Time) bool { return !emptyAt.After(now) })
	maps.DeleteFunc(t.promised, func(_ identity.Key, at time.Time) bool { return now.Sub(at) > forgotten })
}

// forgotten is how long after its time a promise is kept: whoever waits comes back
// within moments, or a little later where all workers are busy.
const forgotten = 5 * time.Minute
