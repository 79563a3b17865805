package workloop

import (
	"container/heap"
	"sync"
	"time"
)

// order stores the queue's keys and says which is next. The work queue around it,
// which keeps keys unique, is client-go's.
//
// A key is due at its deadline, and one without a deadline, or with one that is
// past, as if it ran out an urgent while after it came: so it goes before all
// that have longer, and behind what truly runs out sooner. How flows share is the
// lines' business.
type order[K comparable] struct {
	deadline func(K) time.Time
	flow     func(K) string
	urgent   time.Duration

	// The work queue calls it from one goroutine at a time; workers that are done
	// do not.
	mu      sync.Mutex
	quick   line[K]
	slow    line[K]
	index   map[K]*entry[K] // of what waits
	working map[K]*lane[K]
	// slowly are the keys that are to be worked on slowly when they come next.
	slowly map[K]struct{}
	pushed uint64
}

func newOrder[K comparable](deadline func(K) time.Time, flow func(K) string, urgent time.Duration) *order[K] {
	if flow == nil {
		flow = func(K) string { return "" }
	}
	return &order[K]{
		deadline: deadline, flow: flow, urgent: urgent,
		index: map[K]*entry[K]{}, working: map[K]*lane[K]{}, slowly: map[K]struct{}{},
	}
}

// staff sets how many keys may be at work at once, and how many slowly besides
// those. Of these a quarter, and one at least if there are two, is for another flow:
// one that is to wait for a slow key to end would wait for long.
func (o *order[K]) staff(workers, slow int) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.quick.staff(workers, workers)
	o.slow.staff(slow, max(1, slow-(slow+3)/4))
}

// Touch is called for a key added again while it waits: what it is about may
// have become more urgent.
func (o *order[K]) Touch(key K) {
	o.mu.Lock()
	defer o.mu.Unlock()
	e := o.index[key]
	if e == nil { // it is being worked on, and comes back through Push
		return
	}
	now := time.Now()
	due, waits := o.due(key, now)
	if waits && e.due.Before(due) {
		return // it keeps its turn
	}
	e.due = due
	heap.Fix(&e.lane.entries, e.position)
	e.lane.settle(now.Add(o.urgent))
}

// Push adds a key that is not in the queue.
func (o *order[K]) Push(key K) {
	o.mu.Lock()
	defer o.mu.Unlock()
	now := time.Now()
	due, _ := o.due(key, now)
	e := &entry[K]{key: key, due: due, order: o.pushed}
	o.pushed++
	o.index[key] = e
	line := &o.quick
	if _, slowly := o.slowly[key]; slowly {
		line = &o.slow
	}
	line.push(e, o.flow(key), now.Add(o.urgent))
}

// due returns when a key is due, and whether that is for want of a deadline.
func (o *order[K]) due(key K, now time.Time) (due time.Time, waits bool) {
	if deadline := o.deadline(key); deadline.After(now) {
		return deadline, false
	}
	return now.Add(o.urgent), true
}

// Len returns how many keys wait, 0 if none of them may be worked on now. Whoever
// is done with one then asks again, so that no worker has to be woken for it.
func (o *order[K]) Len() int {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.next(time.Now().Add(o.urgent)) == nil {
		return 0
	}
	return o.quick.waiting + o.slow.waiting
}

// Pop takes the next key out. Len has said that there is one.
func (o *order[K]) Pop() K {
	o.mu.Lock()
	defer o.mu.Unlock()
	pressing := time.Now().Add(o.urgent)
	lane := o.next(pressing)
	e := lane.pop(pressing)
	delete(o.index, e.key)
	delete(o.slowly, e.key)
	o.working[e.key] = lane
	return e.key
}

func (o *order[K]) next(pressing time.Time) *lane[K] {
	if lane := o.quick.next(pressing); lane != nil {
		return lane
	}
	return o.slow.next(pressing)
}

// isSlow says whether a key is worked on slowly.
func (o *order[K]) isSlow(key K) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.working[key].line == &o.slow
}

// leave has a key that is worked on come again, to be worked on slowly.
func (o *order[K]) leave(key K) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.slowly[key] = struct{}{}
}

// done notes that a key is not worked on any more. The work queue is told
// afterwards: it may hand the key out again.
func (o *order[K]) done(key K) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.working[key].done(time.Now().Add(o.urgent))
	delete(o.working, key)
}
