package queue

import (
	"sync"
	"time"
)

// store implements workqueue.Queue, the order in which client-go's work queue hands
// out its keys. The work queue keeps them unique.
type store[K comparable] struct {
	// The work queue calls the store under a lock of its own, which the workers that
	// call done do not hold.
	mu       sync.Mutex
	pending  pending[K]
	inFlight map[K]*tenantQueue[K]
}

func newStore[K comparable](pending pending[K]) *store[K] {
	return &store[K]{pending: pending, inFlight: map[K]*tenantQueue[K]{}}
}

// setWorkers sets how many keys may be in flight at once.
func (s *store[K]) setWorkers(workers int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.pending.queue.setWorkers(workers, workers)
}

// Touch implements workqueue.Queue: key was added again while it waits.
func (s *store[K]) Touch(key K) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.pending.touch(key)
}

// Push implements workqueue.Queue: key is added, and does not wait yet.
func (s *store[K]) Push(key K) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.pending.push(key)
}

// Len implements workqueue.Queue. It returns 0 if no key may be synced now, although
// keys wait. The worker that ends this by finishing a key asks for the next key
// itself, so that no other worker has to be woken.
func (s *store[K]) Len() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.pending.next() == nil {
		return 0
	}
	return s.pending.queue.waiting
}

// Pop implements workqueue.Queue. It is only called after Len returned more than 0.
func (s *store[K]) Pop() K {
	s.mu.Lock()
	defer s.mu.Unlock()
	tenant := s.pending.next()
	key := s.pending.pop(tenant)
	s.inFlight[key] = tenant
	return key
}

// longestWait returns how long the key that waits the longest has waited.
func (s *store[K]) longestWait(now time.Time) time.Duration {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.pending.longestWait(now)
}

// done ends the sync of a key. It has to be called before the work queue's Done,
// which may hand the key out again.
func (s *store[K]) done(key K) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.pending.done(s.inFlight[key])
	delete(s.inFlight, key)
}
