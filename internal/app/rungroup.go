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

// runGroup runs the components of the process. The first that fails stops all others.
type runGroup struct {
	group  *errgroup.Group
	logger log.Logger

	mu      sync.Mutex
	running map[string]int
	failed  error
}

// newRunGroup returns a runGroup, and a context that is done when ctx is or a component
// fails.
func newRunGroup(ctx context.Context, logger log.Logger) (*runGroup, context.Context) {
	group, ctx := errgroup.WithContext(ctx)
	return &runGroup{group: group, logger: logger, running: map[string]int{}}, ctx
}

// start starts a component. Several may have the same name.
func (g *runGroup) start(name string, run func() error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.running[name]++
	g.group.Go(func() error {
		err := run()
		g.ended(name, err)
		return err
	})
}

func (g *runGroup) ended(name string, err error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.running[name]--; g.running[name] == 0 {
		delete(g.running, name)
	}
	if g.failed == nil {
		g.failed = err
	}
}

// await waits until all components have ended, and returns the first error. Once ctx
// is done it waits no longer than timeout. A component that hangs is not an error, and
// does not hide the error of another.
func (g *runGroup) await(ctx context.Context, timeout time.Duration) error {
	ended := make(chan struct{})
	go func() {
		_ = g.group.Wait() // the error is in failed
		close(ended)
	}()
	select {
	case <-ended:
		return g.failure()
	case <-ctx.Done():
	}
	timer := time.NewTimer(timeout)
	defer timer.Stop()
	select {
	case <-ended:
	case <-timer.C:
		level.Error(g.logger).Log("msg", "not everything ended in time", "waited", timeout, "running", strings.Join(g.names(), ", "))
	}
	return g.failure()
}

func (g *runGroup) failure() error {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.failed
}

func (g *runGroup) names() []string {
	g.mu.Lock()
	defer g.mu.Unlock()
	return slices.Sorted(maps.Keys(g.running))
}
