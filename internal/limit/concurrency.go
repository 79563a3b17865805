package limit

import (
	"context"
	"sync"
)

// Concurrency limits the concurrency per key, so that a key with much work delays only
// itself. It keeps no state of idle keys, and is safe for concurrent use. Create it with
// NewConcurrency.
type Concurrency struct {
	limit int

	mu    sync.Mutex
	slots map[string]*slots
}

// slots are the slots of one key.
type slots struct {
	taken chan struct{}
	// users is the number of callers that hold a slot or wait for one.
	users int
}

// NewConcurrency returns a Concurrency with limit slots per key.
func NewConcurrency(limit int) *Concurrency {
	return &Concurrency{limit: limit, slots: map[string]*slots{}}
}

// Acquire waits for a slot of the key, and returns the function that releases it. It
// returns an error if ctx is done before.
func (c *Concurrency) Acquire(ctx context.Context, key string) (release func(), err error) {
	s := c.use(key)
	select {
	case s.taken <- struct{}{}:
		return func() { c.release(key, s) }, nil
	case <-ctx.Done():
		c.unuse(key, s)
		return nil, ctx.Err()
	}
}

// TryAcquire is Acquire without waiting. It returns false if no slot is free.
func (c *Concurrency) TryAcquire(key string) (release func(), ok bool) {
	s := c.use(key)
	select {
	case s.taken <- struct{}{}:
		return func() { c.release(key, s) }, true
	default:
		c.unuse(key, s)
		return nil, false
	}
}

// Keys returns the number of keys with a slot that is held or waited for.
func (c *Concurrency) Keys() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.slots)
}

func (c *Concurrency) release(key string, s *slots) {
	<-s.taken
	c.unuse(key, s)
}

func (c *Concurrency) use(key string) *slots {
	c.mu.Lock()
	defer c.mu.Unlock()
	s := c.slots[key]
	if s == nil {
		s = &slots{taken: make(chan struct{}, c.limit)}
		c.slots[key] = s
	}
	s.users++
	return s
}

func (c *Concurrency) unuse(key string, s *slots) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if s.users--; s.users == 0 {
		delete(c.slots, key)
	}
}
