package telemetry

import (
	"context"
	"iter"
	"net/http"
	"net/http/httptest"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/assert"
)

// response is a recorder that supports write deadlines.
type response struct {
	*httptest.ResponseRecorder

	mu       sync.Mutex
	deadline time.Time
}

func (r *response) SetWriteDeadline(deadline time.Time) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.deadline = deadline
	return nil
}

func (r *response) writeDeadline() time.Time {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.deadline
}

// scrape starts a scrape from an address.
func scrape(s *scrapeLimiter, from string) *response {
	a := &response{ResponseRecorder: httptest.NewRecorder()}
	req := httptest.NewRequest(http.MethodGet, "/metrics", http.NoBody)
	req.RemoteAddr = from + ":1"
	go s.ServeHTTP(a, req)
	synctest.Wait()
	return a
}

// The slow answers of TestSlowScrapersDoNotBlockOthers end at their write deadline, as
// those of a client that does not read.
func TestSlowScrapersDoNotBlockOthers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		s := newScrapeLimiter(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.RemoteAddr == "10.0.0.9:1" {
				return
			}
			a, _ := w.(*response)
			for ctx.Err() == nil && (a.writeDeadline().IsZero() || time.Now().Before(a.writeDeadline())) {
				time.Sleep(100 * time.Millisecond)
			}
		}))
		slow := []*response{scrape(s, "10.0.0.1"), scrape(s, "10.0.0.1"), scrape(s, "10.0.0.2"), scrape(s, "10.0.0.2")}
		time.Sleep(time.Minute)
		synctest.Wait()
		for _, each := range slow {
			assert.True(t, each.writeDeadline().IsZero(), "there is no deadline while no scrape waits")
		}
		start := time.Now()
		done := &response{ResponseRecorder: httptest.NewRecorder()}
		req := httptest.NewRequest(http.MethodGet, "/metrics", http.NoBody)
		req.RemoteAddr = "10.0.0.9:1"
		s.ServeHTTP(done, req)
		assert.Equal(t, http.StatusOK, done.Code)
		assert.Less(t, time.Since(start), writeTimeout)
		cancel()
		synctest.Wait()
		time.Sleep(time.Second)
		synctest.Wait()
		assert.Empty(t, s.started)
	})
}

func TestConcurrentScrapesAreLimited(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		finish := make(chan struct{})
		s := newScrapeLimiter(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { <-finish }))
		for _, from := range []string{"10.0.0.1", "10.0.0.1", "10.0.0.2", "10.0.0.3"} {
			scrape(s, from)
		}
		late := scrape(s, "10.0.0.4")
		time.Sleep(waitTimeout + time.Second)
		synctest.Wait()
		assert.Equal(t, http.StatusServiceUnavailable, late.Code)
		next := scrape(s, "10.0.0.4")
		close(finish)
		synctest.Wait()
		assert.Equal(t, http.StatusOK, next.Code)
	})
}

// blocking returns a limiter whose answers end one by one with a value sent on finish.
func blocking() (s *scrapeLimiter, finish chan struct{}) {
	finish = make(chan struct{})
	return newScrapeLimiter(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { <-finish })), finish
}

func TestAnswerThatStartsWhileOthersWaitHasADeadline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, finish := blocking()
		for range maxScrapes {
			scrape(s, "10.0.0.1")
		}
		first, second := scrape(s, "10.0.0.2"), scrape(s, "10.0.0.3")
		finish <- struct{}{}
		synctest.Wait()
		assert.Equal(t, time.Now().Add(writeTimeout), first.writeDeadline(), "the second one waits")
		finish <- struct{}{}
		synctest.Wait()
		assert.True(t, second.writeDeadline().IsZero(), "nobody waits any more")
		for range maxScrapes {
			finish <- struct{}{}
		}
		synctest.Wait()
		assert.Empty(t, s.started)
		later := scrape(s, "10.0.0.1")
		assert.True(t, later.writeDeadline().IsZero())
		finish <- struct{}{}
	})
}

func TestScrapeOfAClientThatIsGoneDoesNotWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, finish := blocking()
		for range maxScrapes {
			scrape(s, "10.0.0.1")
		}
		ctx, cancel := context.WithCancel(t.Context())
		gone := time.AfterFunc(time.Second, cancel)
		defer gone.Stop()
		begin, w := time.Now(), httptest.NewRecorder()
		s.ServeHTTP(w, httptest.NewRequest(http.MethodGet, MetricsPath, http.NoBody).WithContext(ctx))
		assert.Equal(t, time.Second, time.Since(begin))
		assert.Equal(t, http.StatusServiceUnavailable, w.Code)
		close(finish)
	})
}

func TestScrapeWaitsForLessThanPrometheusDoes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, finish := blocking()
		for range maxScrapes {
			scrape(s, "10.0.0.1")
		}
		begin, w := time.Now(), httptest.NewRecorder()
		s.ServeHTTP(w, httptest.NewRequest(http.MethodGet, MetricsPath, http.NoBody))
		assert.Less(t, time.Since(begin), 10*time.Second, "the default of scrape_timeout")
		assert.Equal(t, http.StatusServiceUnavailable, w.Code)
		close(finish)
	})
}

func TestMetricsAreScrapedUnderTheLimit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		reg, finish, asked := prometheus.NewRegistry(), make(chan struct{}), 0
		reg.MustRegister(NewIdentities(IdentityOptions{Leading: always, List: func() iter.Seq[Identity] {
			asked++
			<-finish
			return slices.Values([]Identity(nil))
		}}))
		handler := metricsHandler(reg)
		for range maxScrapes + 1 {
			go handler.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(http.MethodGet, MetricsPath, http.NoBody))
			synctest.Wait()
		}
		assert.Equal(t, maxScrapes, asked)
		close(finish)
	})
}
