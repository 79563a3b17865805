// Package shares bounds how much one of many may have under way at once, so that
// whoever has much waits for itself alone.
package shares

import (
	"context"
	"sync"
)

// Shares are one queue for each key, as long as somebody is in it.
type Shares struct {
	each   int
	mu     sync.Mutex
	queues map[string]*queue
}

type queue struct {
	turns chan struct{}
	users int
}

// New returns shares of so many at once for each key.
func New(each int) *Shares { return &Shares{each: each, queues: map[string]*queue{}} }

// Enter waits for a turn of key's. What it returns has to be called afterwards.
func (s *Shares) Enter(ctx context.Context, key string) (leave func(), err error) {
	q := s.use(key)
	select {
	case q.turns <- struct{}{}:
		return func() { <-q.turns; s.unuse(key, q) }, nil
	case <-ctx.Done():
		s.unuse(key, q)
		return nil, ctx.Err()
	}
}

// Keys returns how many have something under way, or wait for it.
func (s *Shares) Keys() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.queues)
}

func (s *Shares) use(key string) *queue {
	s.mu.Lock()
	defer s.mu.Unlock()
	q := s.queues[key]
	if q == nil {
		q = &queue{turns: make(chan struct{}, s.each)}
		s.queues[key] = q
	}
	q.users++
	return q
}

func (s *Shares) unuse(key string, q *queue) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if q.users--; q.users == 0 {
		delete(s.queues, key)
	}
}
