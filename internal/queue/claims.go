package queue

import "sync"

// claims makes sure that a key is synced by one worker at a time. The work queue
// does so for its own.
type claims[K comparable] struct {
	mu sync.Mutex
	m  map[K]*claim
}

type claim struct {
	// again says that somebody else wanted the key meanwhile.
	again bool
	over  chan struct{}
}

// try takes a key, or notes that it is wanted again once it is released.
func (c *claims[K]) try(key K) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if held := c.m[key]; held != nil {
		held.again = true
		return false
	}
	c.take(key)
	return true
}

// await takes a key once it is free.
func (c *claims[K]) await(key K) {
	for {
		c.mu.Lock()
		held := c.m[key]
		if held == nil {
			c.take(key)
			c.mu.Unlock()
			return
		}
		c.mu.Unlock()
		<-held.over
	}
}

func (c *claims[K]) take(key K) {
	if c.m == nil {
		c.m = map[K]*claim{}
	}
	c.m[key] = &claim{over: make(chan struct{})}
}

// release gives a key back and says whether it was wanted meanwhile.
func (c *claims[K]) release(key K) (again bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	held := c.m[key]
	delete(c.m, key)
	close(held.over)
	return held.again
}
