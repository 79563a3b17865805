package telemetry

import (
	"net/http"
	"sync"
	"time"
)

const (
	// maxScrapes is how many are answered at once. Any Pod of the cluster may ask,
	// and with tens of thousands of identities each answer takes megabytes.
	maxScrapes = 4
	// maxOfOne is how many of one address are answered or wait.
	maxOfOne = 2
	// quick is how long an answer may take while others wait. Who does not read it
	// has it kept in memory.
	quick = 2 * time.Second
	// patience is how long a scrape waits for others: less than Prometheus does.
	patience = 8 * time.Second
)

// scrapes answers a few at once, and ends those that take their time when others
// wait.
type scrapes struct {
	next  http.Handler
	slots chan struct{}

	mu sync.Mutex
	// answered is when each that is answered began.
	answered map[*http.ResponseController]time.Time
	waiting  int
}

func newScrapes(next http.Handler) *scrapes {
	return &scrapes{next: next, slots: make(chan struct{}, maxScrapes), answered: map[*http.ResponseController]time.Time{}}
}

// ServeHTTP implements http.Handler.
func (s *scrapes) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if !s.await(r) {
		http.Error(w, "too many others ask for metrics, try again later", http.StatusServiceUnavailable)
		return
	}
	defer func() { <-s.slots }()
	writes := http.NewResponseController(w)
	s.begin(writes)
	defer s.end(writes)
	s.next.ServeHTTP(w, r)
}

// await returns true once there is a slot, and false when there is none in time.
func (s *scrapes) await(r *http.Request) bool {
	select {
	case s.slots <- struct{}{}:
		return true
	default:
	}
	s.hurry()
	defer s.waitNoMore()
	timer := time.NewTimer(patience)
	defer timer.Stop()
	select {
	case s.slots <- struct{}{}: // channels serve who waits in order of arrival
		return true
	case <-r.Context().Done():
		return false
	case <-timer.C:
		return false
	}
}

// hurry gives no answer that is being sent more than what is quick: those who wait
// get what those who do not read are keeping.
func (s *scrapes) hurry() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.waiting++
	for writes, began := range s.answered {
		_ = writes.SetWriteDeadline(began.Add(quick)) // of a connection that may be gone
	}
}

func (s *scrapes) waitNoMore() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.waiting--
}

func (s *scrapes) begin(writes *http.ResponseController) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.answered[writes] = time.Now()
	if s.waiting > 0 {
		_ = writes.SetWriteDeadline(time.Now().Add(quick)) // likewise
	}
}

func (s *scrapes) end(writes *http.ResponseController) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.answered, writes)
}
