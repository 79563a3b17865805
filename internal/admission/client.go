package admission

import (
	"context"
	"net/http"
	"sync"
	"time"

	"kube-aws-iam-controller/internal/limit"
)

const (
	// maxRequests is how many requests of one unknown client are answered at once,
	// and maxLargeBodies how many of those with large bodies.
	maxRequests, maxLargeBodies = 32, 1
	// waitTimeout is how long a request waits for its turn. The API server waits no
	// longer itself, and over HTTP/1 nothing tells that it has given up.
	waitTimeout = 5 * time.Second
)

// A client is who posts a review: the API server, if the request proves it, or
// somebody else who can reach the port, told apart by address only.
type client struct{ address string }

func (c client) isAPIServer() bool { return c.address == "" }

// limits limit what is served at once. Unknown clients never take anything away
// from the API server. The zero value is ready to use.
type limits struct {
	init sync.Once
	// apiServerBodies and unknownBodies are semaphores for large bodies.
	apiServerBodies, unknownBodies chan struct{}
	// requests and largeBodies limit unknown clients, by address.
	requests, largeBodies *limit.Concurrency
}

func (l *limits) lazyInit() {
	l.init.Do(func() {
		l.apiServerBodies, l.unknownBodies = make(chan struct{}, maxAPIServerBodies), make(chan struct{}, maxUnknownBodies)
		l.requests, l.largeBodies = limit.NewConcurrency(maxRequests), limit.NewConcurrency(maxLargeBodies)
	})
}

// identify says who sent a request, once the client may have another one served.
// The caller calls release when the request is answered.
func (h *Webhook) identify(r *http.Request) (from client, release func(), failed *httpError) {
	if h.IsAPIServer != nil && h.IsAPIServer(r) {
		return client{}, func() {}, nil
	}
	h.limits.lazyInit()
	from = client{address: limit.Address(r.RemoteAddr)}
	ctx, cancel := context.WithTimeout(r.Context(), waitTimeout)
	defer cancel()
	release, err := h.limits.requests.Acquire(ctx, from.address)
	switch {
	case err != nil:
		return from, nil, &httpError{http.StatusServiceUnavailable, "too many requests at once, try again"}
	case h.AllowUnknown != nil && !h.AllowUnknown(r):
		release()
		return from, nil, &httpError{http.StatusNotFound, "there is no such page"}
	}
	return from, release, nil
}
