package queue

import (
	"fmt"
	"sync"
	"time"
)

// watchdog keeps the start times of the syncs that are running. The zero value is
// ready to use.
type watchdog struct {
	mu      sync.Mutex
	started map[*time.Time]struct{}
}

// start notes that a sync starts, and returns the function to call when it ends.
func (w *watchdog) start() (end func()) {
	now := time.Now()
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.started == nil {
		w.started = make(map[*time.Time]struct{})
	}
	w.started[&now] = struct{}{}
	return func() {
		w.mu.Lock()
		defer w.mu.Unlock()
		delete(w.started, &now)
	}
}

// check returns an error if a sync has been running for longer than limit.
func (w *watchdog) check(now time.Time, limit time.Duration) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	for started := range w.started {
		if age := now.Sub(*started); age > limit {
			return fmt.Errorf("a worker has been busy with one object for %s", age.Round(time.Second))
		}
	}
	return nil
}
