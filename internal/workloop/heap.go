package workloop

import (
	"container/heap"
	"time"
)

// byDeadline stores the queue's keys so that the earliest deadline comes out
// first, and of equal ones the one that came in first. The work queue around
// it, which keeps keys unique and calls it from one goroutine at a time, is
// client-go's.
//
// Keys without a deadline go before all others, but not at the expense of
// other flows: see spacing.
type byDeadline[K comparable] struct {
	deadline func(K) time.Time
	flow     func(K) string
	entries  entries[K]
	index    map[K]*entry[K]
	pushed   uint64
	// waiting counts the keys of each flow that have no deadline.
	waiting map[string]int
}

type entry[K comparable] struct {
	key      K
	deadline time.Time
	order    uint64
	position int
	// counted is the flow in whose count it is, nil for none.
	counted *string
}

// spacing is how much less urgent each key without a deadline is than the one of
// its flow in front of it: only the first of a flow goes before all. Ten
// thousand of one flow so delay neither the first of another nor for long those
// whose deadlines come.
const spacing = 100 * time.Millisecond

func newByDeadline[K comparable](deadline func(K) time.Time, flow func(K) string) *byDeadline[K] {
	return &byDeadline[K]{deadline: deadline, flow: flow, index: make(map[K]*entry[K]), waiting: map[string]int{}}
}

// place sets how urgent an entry is.
func (q *byDeadline[K]) place(e *entry[K]) {
	deadline := q.deadline(e.key)
	if !deadline.IsZero() || q.flow == nil {
		q.uncount(e)
		e.deadline = deadline
		return
	}
	if e.counted != nil {
		return // it keeps its turn
	}
	flow := q.flow(e.key)
	if before := q.waiting[flow]; before > 0 {
		deadline = time.Now().Add(time.Duration(before) * spacing)
	}
	q.waiting[flow]++
	e.deadline, e.counted = deadline, &flow
}

func (q *byDeadline[K]) uncount(e *entry[K]) {
	if e.counted == nil {
		return
	}
	if q.waiting[*e.counted]--; q.waiting[*e.counted] == 0 {
		delete(q.waiting, *e.counted)
	}
	e.counted = nil
}

// Touch is called for a key added again while it waits: what it is about may
// have become more urgent.
func (q *byDeadline[K]) Touch(key K) {
	e := q.index[key]
	if e == nil { // it is being worked on, and comes back through Push
		return
	}
	q.place(e)
	heap.Fix(&q.entries, e.position)
}

// Push adds a key that is not in the queue.
func (q *byDeadline[K]) Push(key K) {
	e := &entry[K]{key: key, order: q.pushed}
	q.pushed++
	q.place(e)
	q.index[key] = e
	heap.Push(&q.entries, e)
}

// Len returns how many keys wait.
func (q *byDeadline[K]) Len() int { return len(q.entries) }

// Pop takes the key with the earliest deadline out.
func (q *byDeadline[K]) Pop() K {
	e, _ := heap.Pop(&q.entries).(*entry[K])
	delete(q.index, e.key)
	q.uncount(e)
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
