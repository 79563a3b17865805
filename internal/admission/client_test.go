package admission

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/go-kit/log"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"kube-aws-iam-controller/internal/identity"
)

const podReview = `{"apiVersion":"admission.k8s.io/v1","kind":"AdmissionReview","request":{"uid":"1","namespace":"ns","operation":"CREATE",` +
	`"resource":{"group":"","version":"v1","resource":"pods"},"object":{"spec":{"containers":[{"name":"app"}]}}}}`

// testServer is a webhook that recognizes the API server by a header. Requests of
// unknown clients block until block is closed.
type testServer struct {
	*Webhook

	t     *testing.T
	block chan struct{}

	mu sync.Mutex
	// clients are those for which a ServiceAccount was looked up.
	clients []string
}

func newTestServer(t *testing.T) *testServer {
	t.Helper()
	c := &testServer{t: t, block: make(chan struct{})}
	c.Webhook = &Webhook{
		IsAPIServer: func(r *http.Request) bool { return r.Header.Get("API-Server") != "" },
		Injection: func(ctx context.Context, unknownClient, _, _ string) (*identity.Injection, error) {
			if unknownClient != "" {
				select {
				case <-c.block:
				case <-ctx.Done():
				}
			}
			c.mu.Lock()
			defer c.mu.Unlock()
			c.clients = append(c.clients, unknownClient)
			return nil, nil //nolint:nilnil // nothing to inject
		},
		Observe:         func(string) {},
		ObserveDuration: func(time.Duration) {},
		Logger:          log.NewNopLogger(),
	}
	return c
}

// post posts a body from an address, "" for the API server.
func (c *testServer) post(address string, body io.Reader, length int64) *httptest.ResponseRecorder {
	r := httptest.NewRequestWithContext(c.t.Context(), http.MethodPost, Path, body)
	r.ContentLength = length
	r.Header.Set("Content-Type", "application/json")
	r.RemoteAddr = "10.0.0.200:1"
	if address == "" {
		r.Header.Set("API-Server", "yes")
	} else {
		r.RemoteAddr = address
	}
	w := httptest.NewRecorder()
	c.ServeHTTP(w, r)
	return w
}

func (c *testServer) postPod(address string) *httptest.ResponseRecorder {
	return c.post(address, strings.NewReader(podReview), int64(len(podReview)))
}

func TestRequestsOfOneAddressDoNotDelayOthers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newTestServer(t)
		for range 10 * maxRequests {
			go c.postPod("10.0.0.1:1")
		}
		synctest.Wait()
		start := time.Now()
		assert.Equal(t, http.StatusOK, c.postPod("").Code)
		assert.Equal(t, http.StatusServiceUnavailable, c.postPod("10.0.0.1:2").Code, "the port does not matter")
		assert.Equal(t, waitTimeout, time.Since(start))
		other := make(chan int, 1)
		go func() { other <- c.postPod("[::ffff:10.0.0.2]:1").Code }()
		synctest.Wait()
		close(c.block)
		assert.Equal(t, http.StatusOK, <-other)
		synctest.Wait()
		assert.Contains(t, c.clients, "")
		assert.Contains(t, c.clients, "10.0.0.1")
		assert.Contains(t, c.clients, "10.0.0.2")
		assert.Zero(t, c.limits.requests.Keys())
	})
}

func TestUnknownClientsDoNotUseUpTheAPIServersBodies(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newTestServer(t)
		var senders []io.Closer
		for i := range 20 {
			body, sender := io.Pipe()
			senders = append(senders, sender)
			go c.post(fmt.Sprintf("10.0.0.%d:1", i/2), body, -1)
		}
		synctest.Wait()
		assert.Len(t, c.limits.unknownBodies, maxUnknownBodies)
		assert.Equal(t, http.StatusOK, c.post("", strings.NewReader(podReview), smallBody+1).Code)
		for _, sender := range senders {
			require.NoError(t, sender.Close())
		}
		synctest.Wait()
		assert.Empty(t, c.limits.unknownBodies)
		assert.Zero(t, c.limits.largeBodies.Keys())
	})
}

func TestBodyOfARejectedClientIsNotRead(t *testing.T) {
	c := newTestServer(t)
	var results []string
	c.Observe = func(result string) { results = append(results, result) }
	measured := 0
	c.ObserveDuration = func(time.Duration) { measured++ }
	c.AllowUnknown = func(*http.Request) bool { return false }
	unread := strings.NewReader(podReview)
	w := c.post("10.0.0.1:1", unread, int64(unread.Len()))
	assert.Equal(t, http.StatusNotFound, w.Code)
	assert.Equal(t, len(podReview), unread.Len())
	assert.Equal(t, []string{Unknown}, results)
	assert.Equal(t, http.StatusOK, c.postPod("").Code)
	assert.Equal(t, 1, measured, "the delay of a rejection tells nothing of how long pods take")
}

func TestFailuresDoNotFloodTheLog(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newTestServer(t)
		var logged bytes.Buffer
		c.Logger = log.NewLogfmtLogger(&logged)
		c.Injection = func(context.Context, string, string, string) (*identity.Injection, error) {
			return nil, errors.New("away")
		}
		for range 1000 {
			c.postPod("10.0.0.1:1")
		}
		assert.Equal(t, unknownFailureBurst, strings.Count(logged.String(), "\n"))
		logged.Reset()
		for range 1000 {
			c.postPod("")
		}
		assert.Equal(t, failureBurst, strings.Count(logged.String(), "\n"), "unknown clients have a limit of their own")
		logged.Reset()
		time.Sleep(failureInterval)
		c.postPod("")
		assert.Contains(t, logged.String(), fmt.Sprintf("suppressed=%d", 1000-failureBurst))
	})
}

func TestARejectedClientHoldsNothing(t *testing.T) {
	c := newTestServer(t)
	c.AllowUnknown = func(*http.Request) bool { return false }
	assert.Equal(t, http.StatusNotFound, c.postPod("10.0.0.1:1").Code)
	assert.Zero(t, c.limits.requests.Keys())
}

func TestWhoWaitedInVainForALargeBodyHoldsNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var l limits
		r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, Path, http.NoBody)
		r.ContentLength = smallBody
		_, err := l.acquireBody(r, client{address: "10.0.0.9"})
		require.NoError(t, err)
		assert.Empty(t, l.unknownBodies, "a small one takes no place")
		r.ContentLength++
		for i := range maxUnknownBodies {
			_, err = l.acquireBody(r, client{address: fmt.Sprintf("10.0.0.%d", i)})
			require.NoError(t, err)
		}
		_, err = l.acquireBody(r, client{address: "10.0.0.9"})
		require.ErrorIs(t, err, context.DeadlineExceeded)
		assert.Equal(t, maxUnknownBodies, l.largeBodies.Keys())
	})
}
