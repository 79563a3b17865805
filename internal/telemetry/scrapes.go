package telemetry

import (
	"net/http"
	"sync"
	"time"

	"kube-aws-iam-controller/internal/shares"
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
	// of counts by address what is answered or waits.
	of map[string]int
	// answered is when each that is answered began.
	answered map[*http.ResponseController]time.Time
	waiting  int
}

func newScrapes(next http.Handler) *scrapes {
	return &scrapes{
		next: next, slots: make(chan struct{}, maxScrapes),
		of: map[string]int{}, answered: map[*http.ResponseController]time.Time{},
	}
}

// ServeHTTP implements http.Handler.
func (s *scrapes) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	host := shares.Address(r.RemoteAddr)
	if !s.arrive(host) {
		http.Error(w, "metrics are being sent to this address already", http.StatusTooManyRequests)
		return
	}
	defer s.leave(host)
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

func (s *scrapes) arrive(host string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.of[host] >= maxOfOne {
		return false
	}
	s.of[host]++
	return true
}

func (s *scrapes) leave(host string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.of[host]--; s.of[host] == 0 {
		delete(s.of, host)
	}
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
