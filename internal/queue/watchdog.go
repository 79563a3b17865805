package queue

import (
	"fmt"
	"sync"
	"time"
)

// watchdog knows since when each piece of work has been going on.
type watchdog struct {
	mu    sync.Mutex
	began map[*time.Time]struct{}
}

// begin notes that work starts now and returns what to call at its end.
func (w *watchdog) begin(now time.Time) (end func()) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.began == nil {
		w.began = make(map[*time.Time]struct{})
	}
	w.began[&now] = struct{}{}
	return func() {
		w.mu.Lock()
		defer w.mu.Unlock()
		delete(w.began, &now)
	}
}

// check returns an error if any work has been going on for longer than limit.
func (w *watchdog) check(now time.Time, limit time.Duration) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	for began := range w.began {
		if age := now.Sub(*began); age > limit {
			return fmt.Errorf("a worker has been busy with one object for %s", age.Round(time.Second))
		}
	}
	return nil
}
