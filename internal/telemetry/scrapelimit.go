package telemetry

import (
	"net/http"
	"sync"
	"time"
)

const (
	// maxScrapes is how many scrapes are answered at once. Any Pod in the cluster may
	// scrape, and with tens of thousands of identities each answer takes megabytes.
	maxScrapes = 4
	// maxScrapesPerAddress is how many scrapes of one address are answered or wait.
	maxScrapesPerAddress = 2
	// writeTimeout is how long an answer may take while other scrapes wait. A client
	// that does not read its answer keeps it in memory until then.
	writeTimeout = 2 * time.Second
	// waitTimeout is how long a scrape waits for others. Prometheus waits for longer.
	waitTimeout = 8 * time.Second
)

// scrapeLimiter limits how many scrapes are answered at once. While others wait, it
// ends the answers that take longer than writeTimeout.
type scrapeLimiter struct {
	next  http.Handler
	slots chan struct{}

	mu sync.Mutex
	// started is when each answer that is being written was started.
	started map[*http.ResponseController]time.Time
	waiting int
}

func newScrapeLimiter(next http.Handler) *scrapeLimiter {
	return &scrapeLimiter{next: next, slots: make(chan struct{}, maxScrapes), started: map[*http.ResponseController]time.Time{}}
}

// ServeHTTP implements http.Handler.
func (s *scrapeLimiter) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if !s.acquire(r) {
		http.Error(w, "too many scrapes at once, try again later", http.StatusServiceUnavailable)
		return
	}
	defer func() { <-s.slots }()
	response := http.NewResponseController(w)
	s.start(response)
	defer s.end(response)
	s.next.ServeHTTP(w, r)
}

// acquire waits for a slot. It returns false on timeout.
func (s *scrapeLimiter) acquire(r *http.Request) bool {
	select {
	case s.slots <- struct{}{}:
		return true
	default:
	}
	s.startWaiting()
	defer s.stopWaiting()
	timer := time.NewTimer(waitTimeout)
	defer timer.Stop()
	select {
	case s.slots <- struct{}{}: // senders of a channel are served in order of arrival
		return true
	case <-r.Context().Done():
		return false
	case <-timer.C:
		return false
	}
}

// startWaiting sets the write deadline of all answers: a scrape waits for the slots
// of clients that do not read.
func (s *scrapeLimiter) startWaiting() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.waiting++
	for response, started := range s.started {
		_ = response.SetWriteDeadline(started.Add(writeTimeout)) // the connection may be gone
	}
}

func (s *scrapeLimiter) stopWaiting() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.waiting--
}

func (s *scrapeLimiter) start(response *http.ResponseController) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.started[response] = time.Now()
	if s.waiting > 0 {
		_ = response.SetWriteDeadline(time.Now().Add(writeTimeout)) // the connection may be gone
	}
}

func (s *scrapeLimiter) end(response *http.ResponseController) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.started, response)
}
