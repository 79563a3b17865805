package queue

import (
	"container/heap"
	"container/list"
	"time"
)

// tenantQueue holds the waiting keys of one tenant, and counts those in flight.
type tenantQueue[K comparable] struct {
	fair     *fairQueue[K]
	tenant   string
	keys     indexedHeap[*entry[K]]
	inFlight int
	// turn is the element of fair.urgent, nil if there is none.
	turn *list.Element
	// index is the position in fair.later, -1 if it is not there.
	index int
}

// Less implements the order of an indexedHeap.
func (t *tenantQueue[K]) Less(other *tenantQueue[K]) bool { return t.keys[0].Less(other.keys[0]) }

// SetIndex tracks the position in fair.later.
func (t *tenantQueue[K]) SetIndex(i int) { t.index = i }

// entry is a waiting key.
type entry[K comparable] struct {
	key    K
	tenant *tenantQueue[K]
	// added is since when the key has waited.
	added time.Time
	// due orders the keys of a tenant, and sequence those that are due at once.
	due      time.Time
	sequence uint64
	index    int
}

// Less implements the order of an indexedHeap.
func (e *entry[K]) Less(other *entry[K]) bool {
	if c := e.due.Compare(other.due); c != 0 {
		return c < 0
	}
	return e.sequence < other.sequence
}

// SetIndex tracks the position in the tenant's keys.
func (e *entry[K]) SetIndex(i int) { e.index = i }

// pop removes the tenant's first key, which is in flight until done is called, and
// moves the tenant to the end of the round.
func (t *tenantQueue[K]) pop(urgentUntil time.Time) *entry[K] {
	e, _ := heap.Pop(&t.keys).(*entry[K])
	t.fair.waiting--
	t.fair.inFlight++
	t.inFlight++
	if t.turn != nil {
		t.fair.urgent.MoveToBack(t.turn)
	}
	t.reposition(urgentUntil)
	return e
}

// done ends the sync of one of the tenant's keys.
func (t *tenantQueue[K]) done(urgentUntil time.Time) {
	t.fair.inFlight--
	t.inFlight--
	t.reposition(urgentUntil)
}

// reposition puts the tenant where it belongs in the fair queue, by its first key.
// It has to be called whenever that key may have changed.
func (t *tenantQueue[K]) reposition(urgentUntil time.Time) {
	f, empty := t.fair, len(t.keys) == 0
	urgent := !empty && !t.keys[0].due.After(urgentUntil)
	switch {
	case urgent && t.turn == nil:
		t.turn = f.urgent.PushBack(t)
	case !urgent && t.turn != nil:
		f.urgent.Remove(t.turn)
		t.turn = nil
	}
	switch later := !empty && !urgent; {
	case later && t.index < 0:
		heap.Push(&f.later, t)
	case later:
		heap.Fix(&f.later, t.index)
	case t.index >= 0:
		heap.Remove(&f.later, t.index)
	}
	if empty && t.inFlight == 0 {
		delete(f.tenants, t.tenant)
	}
}
