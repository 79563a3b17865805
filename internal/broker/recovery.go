package broker

import (
	"sync"
	"time"
)

// recoveryInterval is the minimum time between two recoveries that let identities skip
// their back-off. While STS serves some requests and fails others, each keeps its
// back-off.
const recoveryInterval = time.Minute

// An outage remembers that STS failed to serve requests, whatever they were for, and
// notices when it serves them again. The zero value is no outage.
type outage struct {
	mu sync.Mutex
	// failing says that STS failed, answers that it has served a request since.
	failing, answers bool
	// ended is when the last outage was over.
	ended time.Time
}

// fail notes that STS did not serve a request.
func (o *outage) fail() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.failing, o.answers = true, false
}

// serve notes that STS served a request.
func (o *outage) serve() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.answers = o.failing
}

// over reports, once, that an outage is over.
func (o *outage) over(now time.Time) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	if !o.answers || now.Sub(o.ended) < recoveryInterval {
		return false
	}
	o.failing, o.answers, o.ended = false, false, now
	return true
}
