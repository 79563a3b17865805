package queue

import (
	"sync"
	"time"

	"k8s.io/client-go/util/workqueue"
)

// backlog holds the keys that wait for a slow worker. It is separate from the work
// queue so that fast workers can sync a key while it waits here.
type backlog[K comparable] struct {
	mu       sync.Mutex
	changed  *sync.Cond
	pending  pending[K]
	depth    workqueue.GaugeMetric
	shutdown bool
}

func newBacklog[K comparable](pending pending[K], depth workqueue.GaugeMetric) *backlog[K] {
	b := &backlog[K]{pending: pending, depth: depth}
	b.changed = sync.NewCond(&b.mu)
	return b
}

// setWorkers sets how many keys may be in flight at once. A quarter of the workers,
// at least one if there are several, is not available to one tenant alone: another
// tenant should not have to wait until a slow sync ends.
func (b *backlog[K]) setWorkers(workers int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.pending.queue.setWorkers(workers, max(1, workers-(workers+3)/4))
}

// add adds a key. If it is here already its deadline is read again.
func (b *backlog[K]) add(key K) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.pending.contains(key) {
		b.pending.touch(key)
		return
	}
	b.pending.push(key)
	if b.depth != nil {
		b.depth.Inc()
	}
	b.changed.Signal()
}

// get waits for a key that may be synced now and removes it. The caller passes the
// tenant to done afterwards. After shutDown get returns false.
func (b *backlog[K]) get() (key K, tenant *tenantQueue[K], ok bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for {
		if b.shutdown {
			return key, nil, false
		}
		if tenant = b.pending.next(); tenant != nil {
			break
		}
		b.changed.Wait()
	}
	if b.depth != nil {
		b.depth.Dec()
	}
	return b.pending.pop(tenant), tenant, true
}

// done ends the sync of a key of a tenant.
func (b *backlog[K]) done(tenant *tenantQueue[K]) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.pending.done(tenant)
	b.changed.Signal() // the tenant may have another key that was held back
}

// longestWait returns how long the key that waits the longest has waited.
func (b *backlog[K]) longestWait(now time.Time) time.Duration {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.pending.longestWait(now)
}

// shutDown makes all calls of get return.
func (b *backlog[K]) shutDown() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.shutdown = true
	b.changed.Broadcast()
}
