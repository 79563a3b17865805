package leader

import (
	"errors"
	"sync"
	"time"
)

// ErrLost says that this replica was the leader and is it no longer, or cannot
// know that it still is. It ends the process: a restart is the simplest way to
// forget what was begun as the leader.
var ErrLost = errors.New("the lease was lost to another replica, or could not be renewed in time")

// trusted is how long a renewal is relied upon. What is left of the Lease after
// that is for the requests that are under way: they have to be over before
// anybody else can take the Lease. An API server that takes up to four seconds
// for each renewal does not cost the Lease.
const trusted = leaseDuration - 3*time.Second

// A Fence keeps a replica that has lost the Lease from doing anything more. It
// goes by the clock of this process alone: the Lease is held for as long as a
// renewal is trusted, counted from before that was asked for, because others
// count from when they see it. So neither an API server that hangs nor an answer
// that comes late makes it longer.
//
// Until the Lease is held, and after it was released in good order, a Fence is
// open. Once the Lease is lost it is closed for good. It is for use by many at
// once.
type Fence struct {
	mu sync.Mutex
	// renewed is when the last renewal was asked for, the zero Time while the
	// Lease is not held.
	renewed time.Time
	expiry  *time.Timer
	closed  bool
	lost    chan struct{} // closed with closed
}

// NewFence returns a Fence that is open.
func NewFence() *Fence { return &Fence{lost: make(chan struct{})} }

// Check returns ErrLost once the Lease is lost. It is to be asked immediately
// before every call that changes something, because a process that was paused,
// or whose timers are late, may be the last to hear of the loss.
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

// renew notes that a renewal that was asked for at a time has succeeded. One
// that took too long is none.
func (f *Fence) renew(asked time.Time) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.closed {
		return
	}
	f.renewed = asked
	left := trusted - elapsed(asked)
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

// release notes that the Lease is about to be given back and everything is done.
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

// elapsed returns how long ago a time was, by the clock that went on for longer:
// the monotonic clock stands still while a virtual machine is suspended.
func elapsed(since time.Time) time.Duration {
	now := time.Now()
	return max(now.Sub(since), now.Round(0).Sub(since.Round(0)))
}
