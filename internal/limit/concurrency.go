package limit

import (
	"context"
	"sync"
)

// Concurrency limits how much is done at once for each key: who asks for much
// waits for itself alone. It keeps nothing of keys for which nothing is done, and is
// safe for use by several goroutines. Create it with NewConcurrency.
type Concurrency struct {
	limit int

	mu    sync.Mutex
	slots map[string]*slots
}

// slots are those of one key.
type slots struct {
	taken chan struct{}
	// users is how many hold a slot or wait for one.
	users int
}

// NewConcurrency returns a limit of so many at once for each key.
func NewConcurrency(limit int) *Concurrency {
	return &Concurrency{limit: limit, slots: map[string]*slots{}}
}

// Acquire waits for a slot of the key, and returns how to release it, or an error
// once ctx is done.
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

// TryAcquire is Acquire of a slot that is free. If none is, it returns false.
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

// Keys returns for how many keys something is done or waited for.
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
