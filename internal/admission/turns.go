package admission

import (
	"context"
	"net/http"
	"sync"
	"time"
)

const (
	// maxTurns is how many large bodies are read at once: with what it takes to
	// decode them, less than a tenth of the memory that the Deployment grants.
	maxTurns = 4
	// smallReview is the length up to which a body needs no turn, and so waits
	// for nobody who sends large ones slowly. Nearly all pods have less.
	smallReview = 64 << 10
	// turnWithin is how long a turn is waited for. The API server waits no
	// longer, and over HTTP/1 nobody tells that it has gone.
	turnWithin = 5 * time.Second
)

// turns bound how many large bodies are in memory. The zero value is ready.
type turns struct {
	once  sync.Once
	taken chan struct{}
}

// take waits until the body of a request may be read, and returns what is to be
// called once it is no longer needed.
func (t *turns) take(r *http.Request) (done func(), err error) {
	if 0 <= r.ContentLength && r.ContentLength <= smallReview {
		return func() {}, nil
	}
	t.once.Do(func() { t.taken = make(chan struct{}, maxTurns) })
	ctx, cancel := context.WithTimeout(r.Context(), turnWithin)
	defer cancel()
	select {
	case t.taken <- struct{}{}:
		return func() { <-t.taken }, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}
