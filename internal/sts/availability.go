package sts

import (
	"sync"
	"time"

	"kube-aws-iam-controller/internal/awserr"
)

// While STS is unavailable, more requests add load and tell nothing new. After
// unavailableAfter consecutive failures, which are unlikely if STS still serves some
// requests, it is probed: by one request at a time, and one per probeInterval.
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
	// probing says that STS has yet to answer a probe.
	probing bool
}

// ask makes a request, or returns the error of the last one if STS is away and being
// probed, or was a moment ago.
func (a *availability) ask(request func() error) error {
	probe, err := a.admit(time.Now())
	if err != nil {
		return err
	}
	if probe {
		defer a.endProbe() // also if it panics
	}
	err = request()
	a.note(err)
	return err
}

// away returns the error of the last request if ask would return it now.
func (a *availability) away(now time.Time) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.refusal(now)
}

// admit is away, takes note of a request that it lets through, and tells whether that
// is a probe.
func (a *availability) admit(now time.Time) (probe bool, err error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if err = a.refusal(now); err != nil {
		return false, err
	}
	if probe = a.isAway(); probe {
		a.probing = true
	}
	a.asked = now
	return probe, nil
}

// refusal is away for who holds mu.
func (a *availability) refusal(now time.Time) error {
	if a.isAway() && (a.probing || now.Sub(a.asked) < probeInterval) {
		return a.err
	}
	return nil
}

// isAway says whether a request would be a probe. Its caller holds mu.
func (a *availability) isAway() bool { return a.failures >= unavailableAfter }

func (a *availability) endProbe() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.probing = false
}

// note records how a request went, nil if it was served.
func (a *availability) note(err error) {
	_, _, answered := awserr.Answer(err)
	a.mu.Lock()
	defer a.mu.Unlock()
	switch {
	case awserr.IsOutage(err):
		a.failures, a.err = a.failures+1, err
	case err == nil || answered:
		a.failures, a.err = 0, nil // STS answers, if only with a refusal
	default: // such as a request that was cancelled, which tells nothing
	}
}
