package queue

import (
	"container/heap"
	"container/list"
	"time"
)

// fairQueue holds the waiting keys of all tenants and says whose key is next.
//
// Within a tenant the key that is due first goes first. Tenants whose first key is
// urgent take turns, one key each. Tenants whose first key is not urgent follow in
// order of when it is due.
//
// What is urgent depends on the time: callers pass until when a key has to be due
// to be urgent now.
type fairQueue[K comparable] struct {
	// workers is how many keys may be in flight at once; share is how many of one
	// tenant while others wait, and maxPerTenant how many even if no other waits.
	workers, share, maxPerTenant int

	waiting, inFlight int
	tenants           map[string]*tenantQueue[K]
	// urgent holds the tenants whose first key is urgent, in the order of their
	// turns; later holds the others that have waiting keys.
	urgent list.List
	later  indexedHeap[*tenantQueue[K]]
}

// setWorkers sets how many keys may be in flight at once, in all and per tenant.
func (f *fairQueue[K]) setWorkers(workers, maxPerTenant int) {
	f.workers, f.share, f.maxPerTenant = workers, max(1, workers/4), maxPerTenant
}

// push adds a key of a tenant.
func (f *fairQueue[K]) push(e *entry[K], tenant string, urgentUntil time.Time) {
	t := f.tenants[tenant]
	if t == nil {
		t = &tenantQueue[K]{fair: f, tenant: tenant, index: -1}
		if f.tenants == nil {
			f.tenants = map[string]*tenantQueue[K]{}
		}
		f.tenants[tenant] = t
	}
	e.tenant = t
	f.waiting++
	heap.Push(&t.keys, e)
	t.reposition(urgentUntil)
}

// next returns the tenant whose first key is to be synced next, nil if there is
// none or the workers are busy. Tenants with fewer keys in flight than their share
// go first.
func (f *fairQueue[K]) next(urgentUntil time.Time) *tenantQueue[K] {
	if f.waiting == 0 || f.inFlight >= f.workers {
		return nil
	}
	for len(f.later) > 0 && !f.later[0].keys[0].due.After(urgentUntil) {
		f.later[0].reposition(urgentUntil) // it has become urgent since
	}
	if t := f.firstBelow(f.share); t != nil {
		return t
	}
	return f.firstBelow(f.maxPerTenant)
}

// firstBelow returns the first tenant with fewer keys in flight than limit. It
// passes over few: no more tenants reach a limit than there are workers.
func (f *fairQueue[K]) firstBelow(limit int) *tenantQueue[K] {
	for turn := f.urgent.Front(); turn != nil; turn = turn.Next() {
		if t, _ := turn.Value.(*tenantQueue[K]); t.inFlight < limit {
			return t
		}
	}
	var skipped []*tenantQueue[K]
	for len(f.later) > 0 && f.later[0].inFlight >= limit {
		t, _ := heap.Pop(&f.later).(*tenantQueue[K])
		skipped = append(skipped, t)
	}
	var found *tenantQueue[K]
	if len(f.later) > 0 {
		found = f.later[0]
	}
	for _, t := range skipped {
		heap.Push(&f.later, t)
	}
	return found
}
