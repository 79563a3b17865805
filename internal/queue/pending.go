package queue

import (
	"container/heap"
	"time"
)

// pending holds the waiting keys, each once, with the time each is due: its
// deadline, or for a key without a future deadline the urgency window after it was
// added. So such a key goes before all keys with more time left, and after those
// that are about to miss their deadline. It is not safe for concurrent use.
type pending[K comparable] struct {
	deadline func(K) time.Time
	tenant   func(K) string
	urgent   time.Duration

	queue fairQueue[K]
	// entries is made anew whenever keys begin to wait: a map keeps the memory of the
	// most that it ever held.
	entries map[K]*entry[K]
	pushed  uint64
}

func newPending[K comparable](deadline func(K) time.Time, tenant func(K) string, urgent time.Duration) pending[K] {
	if tenant == nil {
		tenant = func(K) string { return "" }
	}
	return pending[K]{deadline: deadline, tenant: tenant, urgent: urgent}
}

func (p *pending[K]) contains(key K) bool { return p.entries[key] != nil }

// push adds a key that is not there yet.
func (p *pending[K]) push(key K) {
	now := time.Now()
	due, _ := p.due(key, now)
	e := &entry[K]{key: key, added: now, due: due, sequence: p.pushed}
	p.pushed++
	if p.entries == nil {
		p.entries = map[K]*entry[K]{}
	}
	p.entries[key] = e
	p.queue.push(e, p.tenant(key), now.Add(p.urgent))
}

// touch reads a key's deadline again. A key that is not there is ignored.
func (p *pending[K]) touch(key K) {
	e := p.entries[key]
	if e == nil {
		return
	}
	now := time.Now()
	due, hasDeadline := p.due(key, now)
	if !hasDeadline && e.due.Before(due) {
		return // being added again costs no key its place
	}
	e.due = due
	heap.Fix(&e.tenant.keys, e.index)
	e.tenant.reposition(now.Add(p.urgent))
}

// due returns when a key is due, and whether that is its deadline.
func (p *pending[K]) due(key K, now time.Time) (due time.Time, hasDeadline bool) {
	if deadline := p.deadline(key); deadline.After(now) {
		return deadline, true
	}
	return now.Add(p.urgent), false
}

// next returns the tenant whose key is to be synced next, nil if there is none.
func (p *pending[K]) next() *tenantQueue[K] { return p.queue.next(time.Now().Add(p.urgent)) }

// pop removes a tenant's first key, which is in flight until done is called.
func (p *pending[K]) pop(tenant *tenantQueue[K]) K {
	e := tenant.pop(time.Now().Add(p.urgent))
	if delete(p.entries, e.key); len(p.entries) == 0 {
		p.entries = nil
	}
	return e.key
}

// longestWait returns how long the key that waits the longest has waited, 0 if none
// waits.
func (p *pending[K]) longestWait(now time.Time) (longest time.Duration) {
	for _, e := range p.entries {
		longest = max(longest, now.Sub(e.added))
	}
	return longest
}

// done ends the sync of a key of a tenant.
func (p *pending[K]) done(tenant *tenantQueue[K]) { tenant.done(time.Now().Add(p.urgent)) }
