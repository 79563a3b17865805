package admission

import (
	"context"
	"net/http"
	"sync"
	"time"

	"kube-aws-iam-controller/internal/limit"
)

const (
	// maxTurns is how many large bodies of the API server are read at once, and
	// maxStrangeTurns how many of others: with what it takes to decode them, less
	// than a tenth of the memory that the Deployment grants.
	maxTurns, maxStrangeTurns = 4, 2
	// smallReview is the length up to which a body needs no turn, and so waits
	// for nobody who sends large ones slowly. Nearly all pods have less.
	smallReview = 64 << 10
	// turnWithin is how long a turn is waited for. The API server waits no
	// longer, and over HTTP/1 nobody tells that it has gone.
	turnWithin = 5 * time.Second
	// maxRequests is how many requests of one address that may be anybody's are
	// answered at once, and maxLarge how many of those with large bodies.
	maxRequests, maxLarge = 32, 1
)

// A caller is who posts a review: the API server, where it is known to be it, or
// whoever has the address.
type caller struct{ address string }

func (c caller) known() bool { return c.address == "" }

// turns bound what is under way at once. The API server and everybody else do not
// wait for each other. The zero value is ready.
type turns struct {
	once sync.Once
	// bodies are the large ones of the API server, strange those of others.
	bodies, strange chan struct{}
	// requests and large are those of others, by their addresses.
	requests, large *limit.Concurrency
}

func (t *turns) init() {
	t.once.Do(func() {
		t.bodies, t.strange = make(chan struct{}, maxTurns), make(chan struct{}, maxStrangeTurns)
		t.requests, t.large = limit.NewConcurrency(maxRequests), limit.NewConcurrency(maxLarge)
	})
}

// enter says who calls, once it is the caller's turn. What it returns is to be
// called once the request is answered.
func (h *Webhook) enter(r *http.Request) (c caller, leave func(), failed *problem) {
	if h.Known != nil && h.Known(r) {
		return caller{}, func() {}, nil
	}
	h.turns.init()
	c = caller{address: limit.Address(r.RemoteAddr)}
	ctx, cancel := context.WithTimeout(r.Context(), turnWithin)
	defer cancel()
	leave, err := h.turns.requests.Acquire(ctx, c.address)
	switch {
	case err != nil:
		return c, nil, &problem{http.StatusServiceUnavailable, "too many requests at once, try again"}
	case h.Open != nil && !h.Open(r):
		leave()
		return c, nil, &problem{http.StatusNotFound, "there is no such page"}
	}
	return c, leave, nil
}

// take waits until the body of a request may be read, and returns what is to be
// called once it is no longer needed.
func (t *turns) take(r *http.Request, c caller) (done func(), err error) {
	if 0 <= r.ContentLength && r.ContentLength <= smallReview {
		return func() {}, nil
	}
	t.init()
	ctx, cancel := context.WithTimeout(r.Context(), turnWithin)
	defer cancel()
	if c.known() {
		return turn(ctx, t.bodies)
	}
	leave, err := t.large.Acquire(ctx, c.address)
	if err != nil {
		return nil, err
	}
	end, err := turn(ctx, t.strange)
	if err != nil {
		leave()
		return nil, err
	}
	return func() { end(); leave() }, nil
}

func turn(ctx context.Context, taken chan struct{}) (done func(), err error) {
	select {
	case taken <- struct{}{}:
		return func() { <-taken }, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}
