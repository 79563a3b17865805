package queue

import (
	"container/heap"
	"sync"
	"time"
)

// ranking is keys that wait and says which is next. It is not safe for use by
// several goroutines.
//
// A key is due at its deadline, and one without a deadline, or with one that is
// past, as if it ran out an urgent while after it came: so it goes before all
// that have longer, and behind what truly runs out sooner. How flows share is the
// line's business.
type ranking[K comparable] struct {
	deadline func(K) time.Time
	flow     func(K) string
	urgent   time.Duration

	line   line[K]
	index  map[K]*entry[K] // of what waits
	pushed uint64
}

func newRanking[K comparable](deadline func(K) time.Time, flow func(K) string, urgent time.Duration) ranking[K] {
	if flow == nil {
		flow = func(K) string { return "" }
	}
	return ranking[K]{deadline: deadline, flow: flow, urgent: urgent, index: map[K]*entry[K]{}}
}

// push adds a key that does not wait yet.
func (r *ranking[K]) push(key K) {
	now := time.Now()
	due, _ := r.due(key, now)
	e := &entry[K]{key: key, due: due, order: r.pushed}
	r.pushed++
	r.index[key] = e
	r.line.push(e, r.flow(key), now.Add(r.urgent))
}

// touch notes that what a key is about may have become more urgent. A key that
// does not wait is left alone.
func (r *ranking[K]) touch(key K) {
	e := r.index[key]
	if e == nil {
		return
	}
	now := time.Now()
	due, waits := r.due(key, now)
	if waits && e.due.Before(due) {
		return // it keeps its turn
	}
	e.due = due
	heap.Fix(&e.lane.entries, e.position)
	e.lane.settle(now.Add(r.urgent))
}

// due returns when a key is due, and whether that is for want of a deadline.
func (r *ranking[K]) due(key K, now time.Time) (due time.Time, waits bool) {
	if deadline := r.deadline(key); deadline.After(now) {
		return deadline, false
	}
	return now.Add(r.urgent), true
}

// next returns the lane of the key that is to be worked on next, nil for none.
func (r *ranking[K]) next() *lane[K] { return r.line.next(time.Now().Add(r.urgent)) }

// pop takes the next key out of a lane, to be worked on until done is called.
func (r *ranking[K]) pop(from *lane[K]) K {
	e := from.pop(time.Now().Add(r.urgent))
	delete(r.index, e.key)
	return e.key
}

// done notes that a key of a lane is not worked on any more.
func (r *ranking[K]) done(of *lane[K]) { of.done(time.Now().Add(r.urgent)) }

// order stores the keys of client-go's work queue, which keeps them unique, and
// says which is next.
type order[K comparable] struct {
	// The work queue calls it from one goroutine at a time; workers that are done
	// do not.
	mu      sync.Mutex
	waiting ranking[K]
	working map[K]*lane[K]
}

func newOrder[K comparable](waiting ranking[K]) *order[K] {
	return &order[K]{waiting: waiting, working: map[K]*lane[K]{}}
}

// staff sets how many keys may be at work at once.
func (o *order[K]) staff(workers int) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.waiting.line.staff(workers, workers)
}

// Touch is called for a key added again while it waits.
func (o *order[K]) Touch(key K) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.waiting.touch(key)
}

// Push adds a key that is not in the queue.
func (o *order[K]) Push(key K) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.waiting.push(key)
}

// Len returns how many keys wait, 0 if none of them may be worked on now. Whoever
// is done with one then asks again, so that no worker has to be woken for it.
func (o *order[K]) Len() int {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.waiting.next() == nil {
		return 0
	}
	return o.waiting.line.waiting
}

// Pop takes the next key out. Len has said that there is one.
func (o *order[K]) Pop() K {
	o.mu.Lock()
	defer o.mu.Unlock()
	lane := o.waiting.next()
	key := o.waiting.pop(lane)
	o.working[key] = lane
	return key
}

// done notes that a key is not worked on any more. The work queue is told
// afterwards: it may hand the key out again.
func (o *order[K]) done(key K) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.waiting.done(o.working[key])
	delete(o.working, key)
}
