package telemetry

import (
	"context"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
)

// answer is a response whose writer is told by when it has to be done.
type answer struct {
	*httptest.ResponseRecorder

	mu       sync.Mutex
	deadline time.Time
}

func (a *answer) SetWriteDeadline(deadline time.Time) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.deadline = deadline
	return nil
}

func (a *answer) writeDeadline() time.Time {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.deadline
}

// scrape asks for metrics from an address, and returns at once.
func scrape(s *scrapes, from string) *answer {
	a := &answer{ResponseRecorder: httptest.NewRecorder()}
	req := httptest.NewRequest(http.MethodGet, "/metrics", http.NoBody)
	req.RemoteAddr = from + ":1"
	go s.ServeHTTP(a, req)
	synctest.Wait()
	return a
}

// TestWhoDoesNotReadTheMetricsKeepsNobodyFromThem has writers that end when the
// connection does.
func TestWhoDoesNotReadTheMetricsKeepsNobodyFromThem(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		s := newScrapes(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.RemoteAddr == "10.0.0.9:1" {
				return
			}
			a, _ := w.(*answer)
			for ctx.Err() == nil && (a.writeDeadline().IsZero() || time.Now().Before(a.writeDeadline())) {
				time.Sleep(100 * time.Millisecond)
			}
		}))
		slow := []*answer{scrape(s, "10.0.0.1"), scrape(s, "10.0.0.1"), scrape(s, "10.0.0.2"), scrape(s, "10.0.0.2")}
		time.Sleep(time.Minute)
		synctest.Wait()
		for _, each := range slow {
			assert.True(t, each.writeDeadline().IsZero(), "as long as nobody waits")
		}
		start := time.Now()
		done := &answer{ResponseRecorder: httptest.NewRecorder()}
		req := httptest.NewRequest(http.MethodGet, "/metrics", http.NoBody)
		req.RemoteAddr = "10.0.0.9:1"
		s.ServeHTTP(done, req)
		assert.Equal(t, http.StatusOK, done.Code)
		assert.Less(t, time.Since(start), quick)
		cancel()
		synctest.Wait()
		time.Sleep(time.Second)
		synctest.Wait()
		assert.Empty(t, s.answered)
	})
}

func TestScrapesAreLimited(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		finish := make(chan struct{})
		s := newScrapes(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { <-finish }))
		for _, from := range []string{"10.0.0.1", "10.0.0.1", "10.0.0.2", "10.0.0.3"} {
			scrape(s, from)
		}
		late := scrape(s, "10.0.0.4")
		time.Sleep(patience + time.Second)
		synctest.Wait()
		assert.Equal(t, http.StatusServiceUnavailable, late.Code)
		next := scrape(s, "10.0.0.4")
		close(finish)
		synctest.Wait()
		assert.Equal(t, http.StatusOK, next.Code)
	})
}
