package broker

import (
	"maps"
	"sync"
	"time"

	"kube-aws-iam-controller/internal/identity"
)

// Budgets bound how often one identity may have new credentials. An object or
// Secret that is changed in a loop, by mistake or on purpose, would otherwise
// spend what STS grants to all.
const (
	budgetBurst  = 30
	budgetRefill = 10 * time.Second // for one more
)

// Repeats, which are renewals of what was served less than a minute before, and
// removals are also bounded for all identities of a namespace together. What is
// new is not.
const (
	repeatWithin = time.Minute
	repeatBurst  = 100
	repeatRefill = 100 * time.Millisecond
)

// budgets is a leaky bucket for each identity that was served of late, filled by
// each renewal and emptied by time, and a turnstile for repeats and removals. Empty
// buckets are not kept.
type budgets struct {
	mu      sync.Mutex
	spent   map[identity.Key]spending
	repeats turnstile
	swept   time.Time
}

// spending says when the bucket of an identity is empty again, and when it was
// last tried and served.
type spending struct{ emptyAt, triedAt, servedAt time.Time }

// triedWithin is how long it is remembered that an identity was tried.
const triedWithin = budgetBurst * budgetRefill

// spend takes one renewal from an identity's budget and returns 0, or how long
// to wait for it.
func (b *budgets) spend(key identity.Key, now time.Time) time.Duration {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.take(key, now, b.spent[key].repeats(now))
}

// spendRemoval takes one removal from the budgets of an identity and of its
// namespace and returns 0, or how long to wait for it.
func (b *budgets) spendRemoval(key identity.Key, now time.Time) time.Duration {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.take(key, now, true)
}

// spendOwn takes one from an identity's budget alone, and returns 0 or how long to
// wait for it.
func (b *budgets) spendOwn(key identity.Key, now time.Time) time.Duration {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.take(key, now, false)
}

// giveBack puts back a renewal that came to nothing.
func (b *budgets) giveBack(key identity.Key, now time.Time) {
	b.mu.Lock()
	defer b.mu.Unlock()
	own, is := b.spent[key]
	if !is {
		return
	}
	if own.repeats(now) {
		b.repeats.giveBack(key.Namespace)
	}
	own.emptyAt = own.emptyAt.Add(-budgetRefill)
	b.spent[key] = own
}

func (b *budgets) take(key identity.Key, now time.Time, shared bool) time.Duration {
	b.sweep(now)
	own := b.spent[key]
	emptyAt, over := pour(own.emptyAt, now, budgetRefill, budgetBurst)
	if over > 0 {
		return over
	}
	if shared {
		if over = b.repeats.pass(key, now); over > 0 {
			return over
		}
	}
	own.emptyAt = emptyAt
	b.spent[key] = own
	return 0
}

// pour adds one to a bucket that is empty at a time, and returns when it is then,
// or how long to wait until there is room.
func pour(emptyAt, now time.Time, refill time.Duration, burst int) (next time.Time, over time.Duration) {
	if emptyAt.Before(now) {
		emptyAt = now
	}
	emptyAt = emptyAt.Add(refill)
	return emptyAt, max(0, emptyAt.Sub(now)-time.Duration(burst)*refill)
}

func (s spending) repeats(now time.Time) bool {
	return !s.servedAt.IsZero() && now.Sub(s.servedAt) < repeatWithin
}

func (s spending) wasTried(now time.Time) bool {
	return !s.triedAt.IsZero() && now.Sub(s.triedAt) < triedWithin
}

// served remembers that an identity has been given credentials.
func (b *budgets) served(key identity.Key, now time.Time) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if own, is := b.spent[key]; is {
		own.servedAt = now
		b.spent[key] = own
	}
}

// tried remembers that credentials were asked for, whatever came of it.
func (b *budgets) tried(key identity.Key, now time.Time) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if own, is := b.spent[key]; is {
		own.triedAt = now
		b.spent[key] = own
	}
}

// triedOfLate says whether an identity was tried in the last minutes.
func (b *budgets) triedOfLate(key identity.Key, now time.Time) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.spent[key].wasTried(now)
}

// servedOfLate says whether an identity was given credentials just now, so that
// others go first.
func (b *budgets) servedOfLate(key identity.Key, now time.Time) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.spent[key].repeats(now)
}

// sweep forgets empty buckets, now and then.
func (b *budgets) sweep(now time.Time) {
	if b.spent != nil && now.Sub(b.swept) < budgetBurst*budgetRefill {
		return
	}
	if b.spent == nil {
		b.spent, b.repeats = map[identity.Key]spending{}, newTurnstile(repeatBurst, repeatRefill)
	}
	b.swept = now
	maps.DeleteFunc(b.spent, func(_ identity.Key, s spending) bool { return !s.emptyAt.After(now) && !s.wasTried(now) })
	b.repeats.sweep(now)
}
