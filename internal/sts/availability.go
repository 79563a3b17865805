package sts

import (
	"sync"
	"time"

	"kube-aws-iam-controller/internal/awserr"
)

// While STS is away, every request is a complaint that AWS counts, and none tells more
// than the one before. So after awayAfter failures in a row, which an STS that still
// serves some requests hardly brings about, it is asked once in probeInterval.
const (
	awayAfter     = 50
	probeInterval = time.Second
)

// availability notices that STS is away, and that it is back. The zero availability is
// that of an STS that answers.
type availability struct {
	mu sync.Mutex
	// failures is how many requests in a row were not served, err the error of the last.
	failures int
	err      error
	// asked is when the last request was let through.
	asked time.Time
}

// ask makes a request, or returns the error of the last one if STS is away and was asked
// a moment ago.
func (a *availability) ask(request func() error) error {
	if err := a.admit(time.Now()); err != nil {
		return err
	}
	err := request()
	a.note(err)
	return err
}

// away returns the error of the last request if ask would return it now.
func (a *availability) away(now time.Time) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.refusal(now)
}

// admit is away, and counts a request that it lets through.
func (a *availability) admit(now time.Time) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	if err := a.refusal(now); err != nil {
		return err
	}
	a.asked = now
	return nil
}

// refusal is away for who holds mu.
func (a *availability) refusal(now time.Time) error {
	if a.failures >= awayAfter && now.Sub(a.asked) < probeInterval {
		return a.err
	}
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
