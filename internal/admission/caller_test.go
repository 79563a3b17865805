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

const asksForAPod = `{"apiVersion":"admission.k8s.io/v1","kind":"AdmissionReview","request":{"uid":"1","namespace":"ns","operation":"CREATE",` +
	`"resource":{"group":"","version":"v1","resource":"pods"},"object":{"spec":{"containers":[{"name":"app"}]}}}}`

// crossing is a webhook that knows the API server by a header, and who is asked for.
type crossing struct {
	*Webhook

	t     *testing.T
	block chan struct{}

	mu    sync.Mutex
	asked []string
}

func newCrossing(t *testing.T) *crossing {
	t.Helper()
	c := &crossing{t: t, block: make(chan struct{})}
	c.Webhook = &Webhook{
		Known: func(r *http.Request) bool { return r.Header.Get("Known") != "" },
		Account: func(ctx context.Context, stranger, _, _ string) (*identity.Injection, error) {
			if stranger != "" {
				select {
				case <-c.block:
				case <-ctx.Done():
				}
			}
			c.mu.Lock()
			defer c.mu.Unlock()
			c.asked = append(c.asked, stranger)
			return nil, nil //nolint:nilnil // nothing is asked for
		},
		Observe: func(string) {},
		Logger:  log.NewNopLogger(),
	}
	return c
}

// post sends a body from an address, "" for the API server.
func (c *crossing) post(address string, body io.Reader, length int64) *httptest.ResponseRecorder {
	r := httptest.NewRequestWithContext(c.t.Context(), http.MethodPost, Path, body)
	r.ContentLength = length
	r.Header.Set("Content-Type", "application/json")
	r.RemoteAddr = "10.0.0.200:1"
	if address == "" {
		r.Header.Set("Known", "yes")
	} else {
		r.RemoteAddr = address
	}
	w := httptest.NewRecorder()
	c.ServeHTTP(w, r)
	return w
}

func (c *crossing) small(address string) *httptest.ResponseRecorder {
	return c.post(address, strings.NewReader(asksForAPod), int64(len(asksForAPod)))
}

func TestOneAddressKeepsNoOtherWaiting(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCrossing(t)
		for range 10 * maxRequests {
			go c.small("10.0.0.1:1")
		}
		synctest.Wait()
		start := time.Now()
		assert.Equal(t, http.StatusOK, c.small("").Code)
		assert.Equal(t, http.StatusServiceUnavailable, c.small("10.0.0.1:2").Code, "whatever the port")
		assert.Equal(t, turnWithin, time.Since(start))
		other := make(chan int, 1)
		go func() { other <- c.small("[::ffff:10.0.0.2]:1").Code }()
		synctest.Wait()
		close(c.block)
		assert.Equal(t, http.StatusOK, <-other)
		synctest.Wait()
		assert.Contains(t, c.asked, "")
		assert.Contains(t, c.asked, "10.0.0.1")
		assert.Contains(t, c.asked, "10.0.0.2")
		assert.Zero(t, c.turns.requests.Keys())
	})
}

func TestStrangersTakeNoTurnsOfTheAPIServer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCrossing(t)
		var senders []io.Closer
		for i := range 20 {
			body, sender := io.Pipe()
			senders = append(senders, sender)
			go c.post(fmt.Sprintf("10.0.0.%d:1", i/2), body, -1)
		}
		synctest.Wait()
		assert.Len(t, c.turns.strange, maxStrangeTurns)
		assert.Equal(t, http.StatusOK, c.post("", strings.NewReader(asksForAPod), smallReview+1).Code)
		for _, sender := range senders {
			require.NoError(t, sender.Close())
		}
		synctest.Wait()
		assert.Empty(t, c.turns.strange)
		assert.Zero(t, c.turns.large.Keys())
	})
}

func TestWhoeverIsNotAnsweredIsNotRead(t *testing.T) {
	c := newCrossing(t)
	var results []string
	c.Observe = func(result string) { results = append(results, result) }
	c.Open = func(*http.Request) bool { return false }
	unread := strings.NewReader(asksForAPod)
	w := c.post("10.0.0.1:1", unread, int64(unread.Len()))
	assert.Equal(t, http.StatusNotFound, w.Code)
	assert.Equal(t, len(asksForAPod), unread.Len())
	assert.Equal(t, []string{Unknown}, results)
	assert.Equal(t, http.StatusOK, c.small("").Code)
}

func TestRefusedPodsDoNotFloodTheLog(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCrossing(t)
		var logged bytes.Buffer
		c.Logger = log.NewLogfmtLogger(&logged)
		c.Account = func(context.Context, string, string, string) (*identity.Injection, error) {
			return nil, errors.New("away")
		}
		for range 1000 {
			c.small("10.0.0.1:1")
		}
		assert.Equal(t, strangeComplaintsAtOnce, strings.Count(logged.String(), "\n"))
		logged.Reset()
		for range 1000 {
			c.small("")
		}
		assert.Equal(t, complaintsAtOnce, strings.Count(logged.String(), "\n"), "strangers take none of the API server's")
		logged.Reset()
		time.Sleep(complainEvery)
		c.small("")
		assert.Contains(t, logged.String(), fmt.Sprintf("unsaid=%d", 1000-complaintsAtOnce))
	})
}
