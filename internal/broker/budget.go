package broker

import (
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

// budgets is a leaky bucket for each identity that was served of late, filled
// by each renewal and emptied by time. Empty buckets are not kept.
type budgets struct {
	mu    sync.Mutex
	spent map[identity.Key]spending
	swept time.Time
}

// spending says that the bucket of an identity is empty again at a time.
type spending struct{ emptyAt time.Time }

// spend takes one renewal from an identity's budget and returns 0, or how long
// to wait for it.
func (b *budgets) spend(key identity.Key, now time.Time) time.Duration {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.sweep(now)
	emptyAt := b.spent[key].emptyAt
	if emptyAt.Before(now) {
		emptyAt = now
	}
	emptyAt = emptyAt.Add(budgetRefill)
	if over := emptyAt.Sub(now) - budgetBurst*budgetRefill; over > 0 {
		return over
	}
	b.spent[key] = spending{emptyAt: emptyAt}
	return 0
}

// sweep forgets empty buckets, now and then.
func (b *budgets) sweep(now time.Time) {
	if b.spent != nil && now.Sub(b.swept) < budgetBurst*budgetRefill {
		return
	}
	b.swept = now
	kept := make(map[identity.Key]spending)
	for key, s := range b.spent {
		if s.emptyAt.After(now) {
			kept[key] = s
		}
	}
	b.spent = kept
}
