package sts

import (
	"sync"
	"time"

	"kube-aws-iam-controller/internal/awserr"
)

// While STS is unavailable, more requests add load and tell nothing new. After
// unavailableAfter consecutive failures, which are unlikely if STS still serves some
// requests, only one request per probeInterval is sent.
const (
	unavailableAfter = 50
	probeInterval    = time.Second
)

// availability notices that STS is unavailable, and that it is back. The zero value is
// for an STS that answers.
type availability struct {
	mu sync.Mutex
	// failures is the number of consecutive requests that were not served, err the last
	// error.
	failures int
	err      error
	// asked is when the last request was let through.
	asked time.Time
}

// away returns the last error if STS is unavailable and was asked a moment ago, nil if
// it should be asked now.
func (a *availability) away(now time.Time) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.failures >= unavailableAfter && now.Sub(a.asked) < probeInterval {
		return a.err
	}
	a.asked = now
	return nil
}

// note records how a request went, nil if it was served.
func (a *availability) note(err error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if !awserr.IsOutage(err) {
		a.failures, a.err = 0, nil // STS answers, if only with a refusal
		return
	}
	a.failures, a.err = a.failures+1, err
}
