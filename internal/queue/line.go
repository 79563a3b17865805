package queue

import (
	"container/heap"
	"container/list"
	"time"
)

// A line is the keys of one kind of work that wait, in a lane for each flow.
//
// Within a lane the most urgent key goes first. Lanes whose first key presses
// take turns, one key each: however many keys of one flow press, those of another
// wait for a round at most. All others come after them, the most urgent first.
type line[K comparable] struct {
	// limit is how many keys may be at work at once, share how many of one flow
	// while others wait, and most how many of one flow even if none does.
	limit, share, most int

	waiting, atWork int
	lanes           map[string]*lane[K]
	// turns are the lanes whose first key presses, in their order; later is the
	// others that are not empty.
	turns list.List
	later ranked[*lane[K]]
}

// lane is the keys of one flow that wait, and how many are at work.
type lane[K comparable] struct {
	line    *line[K]
	flow    string
	entries ranked[*entry[K]]
	atWork  int
	// turn is the lane's place in turns, nil for none, and position that in later,
	// -1 for none.
	turn     *list.Element
	position int
}

func (a *lane[K]) Before(other *lane[K]) bool { return a.entries[0].Before(other.entries[0]) }
func (a *lane[K]) Moved(position int)         { a.position = position }

// entry is a key that waits.
type entry[K comparable] struct {
	key  K
	lane *lane[K]
	// due is what keys of one flow are ordered by.
	due      time.Time
	order    uint64
	position int
}

func (e *entry[K]) Before(other *entry[K]) bool {
	if c := e.due.Compare(other.due); c != 0 {
		return c < 0
	}
	return e.order < other.order
}
func (e *entry[K]) Moved(position int) { e.position = position }

// staff sets how many keys may be at work at once.
func (l *line[K]) staff(limit, most int) {
	l.limit, l.share, l.most = limit, max(1, limit/4), most
}

// push adds a key of a flow. What is due until pressing presses.
func (l *line[K]) push(e *entry[K], flow string, pressing time.Time) {
	a := l.lanes[flow]
	if a == nil {
		a = &lane[K]{line: l, flow: flow, position: -1}
		if l.lanes == nil {
			l.lanes = map[string]*lane[K]{}
		}
		l.lanes[flow] = a
	}
	e.lane = a
	l.waiting++
	heap.Push(&a.entries, e)
	a.settle(pressing)
}

// next returns the lane whose first key is to be worked on next, nil for none. A
// flow that has its share at work lets others go first.
func (l *line[K]) next(pressing time.Time) *lane[K] {
	if l.waiting == 0 || l.atWork >= l.limit {
		return nil
	}
	for len(l.later) > 0 && !l.later[0].entries[0].due.After(pressing) {
		l.later[0].settle(pressing) // by now it presses
	}
	if a := l.below(l.share); a != nil {
		return a
	}
	return l.below(l.most)
}

// below returns the first lane of which fewer keys are at work. Only the few that
// have their share at work are passed over.
func (l *line[K]) below(most int) *lane[K] {
	for turn := l.turns.Front(); turn != nil; turn = turn.Next() {
		if a, _ := turn.Value.(*lane[K]); a.atWork < most {
			return a
		}
	}
	var passed []*lane[K]
	for len(l.later) > 0 && l.later[0].atWork >= most {
		a, _ := heap.Pop(&l.later).(*lane[K])
		passed = append(passed, a)
	}
	var found *lane[K]
	if len(l.later) > 0 {
		found = l.later[0]
	}
	for _, a := range passed {
		heap.Push(&l.later, a)
	}
	return found
}

// pop takes the first key out, to be worked on. The flow's next turn comes after
// those of all others.
func (a *lane[K]) pop(pressing time.Time) *entry[K] {
	e, _ := heap.Pop(&a.entries).(*entry[K])
	a.line.waiting--
	a.line.atWork++
	a.atWork++
	if a.turn != nil {
		a.line.turns.MoveToBack(a.turn)
	}
	a.settle(pressing)
	return e
}

// done notes that a key of the flow is not worked on any more.
func (a *lane[K]) done(pressing time.Time) {
	a.line.atWork--
	a.atWork--
	a.settle(pressing)
}

// settle puts a lane where it belongs by what its first key is now.
func (a *lane[K]) settle(pressing time.Time) {
	l, empty := a.line, len(a.entries) == 0
	presses := !empty && !a.entries[0].due.After(pressing)
	switch {
	case presses && a.turn == nil:
		a.turn = l.turns.PushBack(a)
	case !presses && a.turn != nil:
		l.turns.Remove(a.turn)
		a.turn = nil
	}
	switch later := !empty && !presses; {
	case later && a.position < 0:
		heap.Push(&l.later, a)
	case later:
		heap.Fix(&l.later, a.position)
	case a.position >= 0:
		heap.Remove(&l.later, a.position)
	}
	if empty && a.atWork == 0 {
		delete(l.lanes, a.flow)
	}
}
