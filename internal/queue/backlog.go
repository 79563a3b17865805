package queue

import (
	"sync"

	"k8s.io/client-go/util/workqueue"
)

// backlog is the keys that wait for a slow sync. It is apart from the work queue,
// so that a key that waits here, for however long, can be synced quickly meanwhile.
type backlog[K comparable] struct {
	mu      sync.Mutex
	changed *sync.Cond
	waiting ranking[K]
	depth   workqueue.GaugeMetric
	ended   bool
}

func newBacklog[K comparable](waiting ranking[K], depth workqueue.GaugeMetric) *backlog[K] {
	b := &backlog[K]{waiting: waiting, depth: depth}
	b.changed = sync.NewCond(&b.mu)
	return b
}

// staff sets how many keys may be at work at once. Of these a quarter, and one at
// least if there are two, is for another flow: one that is to wait for a slow key
// to end would wait for long.
func (b *backlog[K]) staff(workers int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.waiting.line.staff(workers, max(1, workers-(workers+3)/4))
}

// add adds a key, or notes that it was added again.
func (b *backlog[K]) add(key K) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.waiting.index[key] != nil {
		b.waiting.touch(key)
		return
	}
	b.waiting.push(key)
	if b.depth != nil {
		b.depth.Inc()
	}
	b.changed.Signal()
}

// get waits for a key that may be worked on, and takes it out. It is to be given
// back to done. After end there is none.
func (b *backlog[K]) get() (key K, of *lane[K], ok bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for {
		if b.ended {
			return key, nil, false
		}
		if of = b.waiting.next(); of != nil {
			break
		}
		b.changed.Wait()
	}
	if b.depth != nil {
		b.depth.Dec()
	}
	return b.waiting.pop(of), of, true
}

// done notes that a key of a lane is not worked on any more.
func (b *backlog[K]) done(of *lane[K]) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.waiting.done(of)
	b.changed.Signal() // one that had to wait for this may go
}

// end sends everybody home who waits in get.
func (b *backlog[K]) end() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.ended = true
	b.changed.Broadcast()
}
