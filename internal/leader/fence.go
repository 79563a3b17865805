package leader

import (
	"errors"
	"sync"
	"time"
)

// ErrLost says that this replica was the leader and no longer is, or cannot know that it
// still is. It ends the process: a restart is the simplest way to drop the state of
// leadership.
var ErrLost = errors.New("the lease was lost to another replica, or could not be renewed in time")

// trusted is how long a renewal is relied upon. The rest of the lease duration is for
// requests in flight, which have to end before another replica can acquire the Lease.
// Renewals that take up to four seconds do not lose the Lease.
const trusted = leaseDuration - 3*time.Second

// A Fence keeps a replica that has lost the Lease from writing. It relies only on the
// clock of this process: a renewal is trusted for a fixed time from before its request
// was sent, because other replicas count from when they observe it. So neither an API
// server that hangs nor a late answer prolongs the leadership.
//
// A Fence is open until the Lease is acquired, while it is held, and after it was
// released. Once the Lease is lost it is closed forever. It is safe for concurrent use.
type Fence struct {
	mu sync.Mutex
	// renewed is when the request of the last renewal was sent, the zero Time while the
	// Lease is not held.
	renewed time.Time
	expiry  *time.Timer
	closed  bool
	lost    chan struct{} // closed with closed
}

// NewFence returns a Fence that is open.
func NewFence() *Fence { return &Fence{lost: make(chan struct{})} }

// Check returns ErrLost once the Lease is lost. It has to be called immediately before
// every write, because the timers of a process that was paused are late.
func (f *Fence) Check() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.held() && elapsed(f.renewed) >= trusted {
		f.close()
	}
	if f.closed {
		return ErrLost
	}
	return nil
}

// Lost returns a channel that is closed when the Lease is lost.
func (f *Fence) Lost() <-chan struct{} { return f.lost }

// renew notes that a renewal has succeeded whose request was sent at a time. One that
// took too long does not count.
func (f *Fence) renew(sent time.Time) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.closed {
		return
	}
	f.renewed = sent
	left := trusted - elapsed(sent)
	switch {
	case left <= 0:
		f.close()
	case f.expiry == nil:
		f.expiry = time.AfterFunc(left, func() { _ = f.Check() })
	default:
		f.expiry.Reset(left)
	}
}

// lose closes the fence if the Lease is held.
func (f *Fence) lose() {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.held() {
		f.close()
	}
}

// release notes that the Lease is about to be released, and all work has ended.
func (f *Fence) release() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.renewed = time.Time{}
	if f.expiry != nil {
		f.expiry.Stop()
	}
}

func (f *Fence) held() bool { return !f.renewed.IsZero() }

func (f *Fence) close() {
	if !f.closed {
		f.closed = true
		close(f.lost)
	}
	if f.expiry != nil {
		f.expiry.Stop()
	}
}

// elapsed returns the time since then by the wall clock or the monotonic clock,
// whichever is longer: the monotonic clock stops while a virtual machine is suspended.
func elapsed(since time.Time) time.Duration {
	now := time.Now()
	return max(now.Sub(since), now.Round(0).Sub(since.Round(0)))
}
