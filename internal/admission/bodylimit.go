package admission

import (
	"context"
	"io"
	"net/http"
	"time"
)

const (
	// maxBody is the largest review of a pod that can be created: the API server
	// accepts requests of 3 MiB and stores half of that, and the review of a creation
	// holds the object once, with little around it.
	maxBody = 7 << 19
	// smallBody is the size up to which a body is read without a limit on how many
	// are, so that it never waits for large ones. Nearly all pods are smaller.
	smallBody = 64 << 10
	// maxAPIServerBodies and maxUnknownBodies are how many large bodies of the API
	// server and of unknown clients are read at once. With what it takes to decode
	// them that is less than a tenth of the memory that the Deployment grants.
	maxAPIServerBodies, maxUnknownBodies = 4, 2
	// bodyTimeout is how long a body may take once it is being read. The API server
	// is in the same network, and has it in memory.
	bodyTimeout = 2 * time.Second
)

// readBody reads a body within the limits for its client, and passes it to decode.
// The memory of a large body counts until decode returns.
func (l *limits) readBody(w http.ResponseWriter, r *http.Request, from client, decode func(body []byte)) *httpError {
	release, err := l.acquireBody(r, from)
	if err != nil {
		return &httpError{http.StatusServiceUnavailable, "too many large bodies at once, try again"}
	}
	defer release()
	control := http.NewResponseController(w)
	_ = control.SetReadDeadline(time.Now().Add(bodyTimeout)) // not supported by test recorders
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	if err != nil {
		return &httpError{http.StatusBadRequest, "the body cannot be read: it is too large or came too slowly"}
	}
	// The deadline is for the body alone: answering may take longer.
	_ = control.SetReadDeadline(time.Time{})
	decode(body)
	return nil
}

// acquireBody waits until the body of a request may be read.
func (l *limits) acquireBody(r *http.Request, from client) (release func(), err error) {
	if 0 <= r.ContentLength && r.ContentLength <= smallBody {
		return func() {}, nil
	}
	l.lazyInit()
	ctx, cancel := context.WithTimeout(r.Context(), waitTimeout)
	defer cancel()
	if from.isAPIServer() {
		return acquire(ctx, l.apiServerBodies)
	}
	releaseAddress, err := l.largeBodies.Acquire(ctx, from.address)
	if err != nil {
		return nil, err
	}
	releaseBody, err := acquire(ctx, l.unknownBodies)
	if err != nil {
		releaseAddress()
		return nil, err
	}
	return func() { releaseBody(); releaseAddress() }, nil
}

func acquire(ctx context.Context, semaphore chan struct{}) (release func(), err error) {
	select {
	case semaphore <- struct{}{}:
		return func() { <-semaphore }, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}
