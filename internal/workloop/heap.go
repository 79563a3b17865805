package workloop

import (
	"container/heap"
	"time"
)

// byDeadline stores the queue's keys so that the earliest deadline comes out
// first, and of equal ones the one that came in first. The work queue around
// it, which keeps keys unique and calls it from one goroutine at a time, is
// client-go's.
type byDeadline[K comparable] struct {
	deadline func(K) time.Time
	entries  entries[K]
	index    map[K]*entry[K]
	pushed   uint64
}

type entry[K comparable] struct {
	key      K
	deadline time.Time
	order    uint64
	position int
}

func newByDeadline[K comparable](deadline func(K) time.Time) *byDeadline[K] {
	return &byDeadline[K]{deadline: deadline, index: make(map[K]*entry[K])}
}

// Touch is called for a key added again while it waits: what it is about may
// have become more urgent.
func (q *byDeadline[K]) Touch(key K) {
	e := q.index[key]
	if e == nil { // it is being worked on, and comes back through Push
		return
	}
	e.deadline = q.deadline(key)
	heap.Fix(&q.entries, e.position)
}

// Push adds a key that is not in the queue.
func (q *byDeadline[K]) Push(key K) {
	e := &entry[K]{key: key, deadline: q.deadline(key), order: q.pushed}
	q.pushed++
	q.index[key] = e
	heap.Push(&q.entries, e)
}

// Len returns how many keys wait.
func (q *byDeadline[K]) Len() int { return len(q.entries) }

// Pop takes the key with the earliest deadline out.
func (q *byDeadline[K]) Pop() K {
	e, _ := heap.Pop(&q.entries).(*entry[K])
	delete(q.index, e.key)
	return e.key
}

// entries implements heap.Interface.
type entries[K comparable] []*entry[K]

func (h entries[K]) Len() int { return len(h) }

func (h entries[K]) Less(i, j int) bool {
	if c := h[i].deadline.Compare(h[j].deadline); c != 0 {
		return c < 0
	}
	return h[i].order < h[j].order
}

func (h entries[K]) Swap(i, j int) {
	h[i], h[j] = h[j], h[i]
	h[i].position, h[j].position = i, j
}

// Push implements heap.Interface.
func (h *entries[K]) Push(x any) {
	e, _ := x.(*entry[K])
	e.position = len(*h)
	*h = append(*h, e)
}

// Pop implements heap.Interface.
func (h *entries[K]) Pop() any {
	last := len(*h) - 1
	e := (*h)[last]
	(*h)[last] = nil // the array outlives the entry
	*h = (*h)[:last]
	return e
}
