package app

import (
	"context"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/go-kit/log"
	"github.com/go-kit/log/level"
	"golang.org/x/sync/errgroup"
)

// components are what a process consists of. The first that ends in an error
// ends all others.
type components struct {
	group  *errgroup.Group
	logger log.Logger

	mu      sync.Mutex
	running map[string]int
	failed  error
}

// newComponents returns components, and the context that ends when one of them
// fails.
func newComponents(ctx context.Context, logger log.Logger) (*components, context.Context) {
	group, ctx := errgroup.WithContext(ctx)
	return &components{group: group, logger: logger, running: map[string]int{}}, ctx
}

// start runs a component. Several may have one name.
func (c *components) start(name string, run func() error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.running[name]++
	c.group.Go(func() error {
		err := run()
		c.ended(name, err)
		return err
	})
}

func (c *components) ended(name string, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.running[name]--; c.running[name] == 0 {
		delete(c.running, name)
	}
	if c.failed == nil {
		c.failed = err
	}
}

// await returns the first error, once all components have ended. From when ctx is
// done that is waited for no longer than patience: one that hangs hides no error
// of another, and is none by itself.
func (c *components) await(ctx context.Context, patience time.Duration) error {
	ended := make(chan struct{})
	go func() {
		_ = c.group.Wait() // the error is kept
		close(ended)
	}()
	select {
	case <-ended:
		return c.failure()
	case <-ctx.Done():
	}
	timer := time.NewTimer(patience)
	defer timer.Stop()
	select {
	case <-ended:
	case <-timer.C:
		level.Error(c.logger).Log("msg", "not everything ended in time", "waited", patience, "running", strings.Join(c.names(), ", "))
	}
	return c.failure()
}

func (c *components) failure() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.failed
}

func (c *components) names() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Sorted(maps.Keys(c.running))
}
