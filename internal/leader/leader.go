// Package leader elects one replica as the leader by means of a Lease, and makes sure
// that a replica that has lost the Lease stops writing at once.
package leader

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/go-kit/log"
	"github.com/go-kit/log/level"
)

// Timing of the Lease. A standby reads it every retry period, which the jitter extends to
// up to 2.2 times. So it takes over within 5 s of a release, and within 20 s of a leader
// that was killed.
const (
	leaseDuration = 15 * time.Second
	renewDeadline = 10 * time.Second
	retryPeriod   = 2 * time.Second
	retryJitter   = 1.2
	// releaseTimeout is short because the Lease expires by itself.
	releaseTimeout = 1500 * time.Millisecond
	// abandonTimeout is how long work may take to return once it is canceled.
	abandonTimeout = 5 * time.Second
)

// Config configures an election.
type Config struct {
	// Leases are those of Namespace.
	Leases          Leases
	Namespace, Name string
	// Serves is the namespace that the controller serves, "" for all.
	Serves string
	// Host begins the identity in the Lease, "" for the name of the host.
	Host string
	// Fence is closed when the Lease is lost.
	Fence *Fence
	// Changed is called with whether this replica is the leader.
	Changed func(leading bool)
	Logger  log.Logger
}

// A Lead function does the work of the leader until ctx is done. Work in flight may then
// be finished as long as held is not done. Once the Lease is lost both are done, and
// nothing may be started or finished.
type Lead func(ctx, held context.Context)

// Run calls lead once this replica is the leader. When ctx is done, the Lease
// is released, but not before lead has returned. Losing the Lease ends both of
// lead's contexts and is ErrLost.
func Run(ctx context.Context, config Config, lead Lead) error {
	electing, resign := context.WithCancel(context.WithoutCancel(ctx))
	defer resign()
	t := &term{ctx: ctx, resign: resign, lead: lead, config: config, done: make(chan struct{})}
	elector, err := newElector(config)
	if err != nil {
		return fmt.Errorf("prepare the election: %w", err)
	}
	defer context.AfterFunc(ctx, t.end)()
	t.elect(electing, elector)
	if err := t.await(); err != nil {
		return err
	}
	config.Fence.release()
	if err := elector.release(context.WithoutCancel(ctx)); err != nil {
		level.Warn(config.Logger).Log("msg", "the lease was not released: a standby takes over when it expires", "err", err)
	}
	return nil
}

func newElector(config Config) (*elector, error) {
	host, err := config.host()
	if err != nil {
		return nil, err
	}
	return &elector{
		fencedLease: &fencedLease{client: config.Leases, name: config.Name, me: holderIdentity(host, config.Serves), fence: config.Fence},
		logger:      config.Logger,
		newHolder:   config.logForeignHolder,
	}, nil
}

// term is the leadership of one replica.
type term struct {
	ctx    context.Context //nolint:containedctx // the term's own are made of it
	resign context.CancelFunc
	lead   Lead
	config Config

	mu           sync.Mutex
	begun, ended bool
	done         chan struct{} // closed once lead has returned
}

// elect leads once this replica holds the Lease, and returns when the election has ended.
func (t *term) elect(ctx context.Context, e *elector) {
	defer t.stopped()
	if e.acquire(ctx) {
		go t.begin() //nolint:contextcheck // it leads with the process's
		e.renew(ctx)
	}
}

// begin leads until the process shuts down or the Lease is lost, and then ends the
// election.
func (t *term) begin() {
	t.mu.Lock()
	if t.ended {
		t.mu.Unlock()
		return
	}
	t.begun = true
	t.mu.Unlock()
	defer t.resign()
	defer close(t.done)

	held, abandon := context.WithCancelCause(context.WithoutCancel(t.ctx))
	defer abandon(nil)
	leading, stop := context.WithCancelCause(held)
	defer stop(nil)
	defer context.AfterFunc(t.ctx, func() { stop(context.Cause(t.ctx)) })()
	go t.watch(held, abandon)
	t.config.Changed(true)
	defer t.config.Changed(false)
	t.lead(leading, held)
}

// watch ends the term when the Lease is lost, even if a renewal hangs.
func (t *term) watch(held context.Context, abandon context.CancelCauseFunc) {
	select {
	case <-held.Done():
	case <-t.config.Fence.Lost():
		abandon(ErrLost)
		t.config.Changed(false)
		t.resign()
	}
}

// stopped is called when the election has ended for any reason.
func (t *term) stopped() {
	t.mu.Lock()
	begun := t.begun
	t.mu.Unlock()
	select {
	case <-t.done:
	default:
		if begun { // the elector gave up before the fence did
			t.config.Fence.lose()
		}
	}
}

// end ends the election if this replica does not lead.
func (t *term) end() {
	t.mu.Lock()
	defer t.mu.Unlock()
	if !t.begun {
		t.ended = true
		t.resign()
	}
}

// await waits until lead has returned. If the Lease was lost it returns an error, after
// abandonTimeout at the latest: nothing that lead does takes effect any more.
func (t *term) await() error {
	t.mu.Lock()
	begun := t.begun
	t.ended = true
	t.mu.Unlock()
	if begun {
		select {
		case <-t.done:
		case <-t.config.Fence.Lost():
			t.awaitAbandoned()
		}
	}
	return t.config.Fence.Check()
}

func (t *term) awaitAbandoned() {
	timer := time.NewTimer(abandonTimeout)
	defer timer.Stop()
	select {
	case <-t.done:
	case <-timer.C:
	}
}
