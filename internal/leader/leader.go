// Package leader makes sure that one replica at a time does the work, by means
// of a Lease.
package leader

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync"
	"time"

	"github.com/google/uuid"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/leaderelection"
	"k8s.io/client-go/tools/leaderelection/resourcelock"
)

// Timing of the Lease. A standby looks every retry, stretched by up to 2.2 by
// client-go's jitter, so it takes over 5 s after a leader that releases the
// Lease, and within 20 s of one that was killed.
const (
	leaseDuration = 15 * time.Second
	renewDeadline = 10 * time.Second
	retryPeriod   = 2 * time.Second
)

// Config says which Lease it is about.
type Config struct {
	Client          kubernetes.Interface
	Namespace, Name string
	// Changed is called with whether this replica is the leader.
	Changed func(leading bool)
}

// errLost ends the process: what was begun as the leader may not be finished
// as a follower, and a restart is the simplest way to forget it.
var errLost = errors.New("the lease was lost to another replica, or could not be renewed in time")

// Run calls lead once this replica is the leader. When ctx is done, the Lease
// is released, but not before lead has returned. Losing the Lease ends lead's
// context and is an error.
func Run(ctx context.Context, config Config, lead func(context.Context)) error {
	electing, release := context.WithCancel(context.WithoutCancel(ctx))
	defer release()
	t := &term{ctx: ctx, release: release, lead: lead, changed: config.Changed}
	elector, err := newElector(config, t)
	if err != nil {
		return fmt.Errorf("prepare the election: %w", err)
	}
	stop := context.AfterFunc(ctx, t.end)
	defer stop()
	elector.Run(electing)
	t.working.Wait()
	if ctx.Err() == nil {
		return errLost
	}
	return nil
}

func newElector(config Config, t *term) (*leaderelection.LeaderElector, error) {
	host, err := os.Hostname()
	if err != nil {
		return nil, err
	}
	return leaderelection.NewLeaderElector(leaderelection.LeaderElectionConfig{
		Lock: &resourcelock.LeaseLock{
			LeaseMeta:  metav1.ObjectMeta{Namespace: config.Namespace, Name: config.Name},
			Client:     config.Client.CoordinationV1(),
			LockConfig: resourcelock.ResourceLockConfig{Identity: host + "_" + uuid.NewString()},
		},
		Name:            config.Name,
		LeaseDuration:   leaseDuration,
		RenewDeadline:   renewDeadline,
		RetryPeriod:     retryPeriod,
		ReleaseOnCancel: true,
		Callbacks: leaderelection.LeaderCallbacks{
			OnStartedLeading: t.begin,
			OnStoppedLeading: func() { config.Changed(false) },
		},
	})
}

// term is the time in office of one replica.
type term struct {
	ctx     context.Context //nolint:containedctx // the callbacks of an election take no other
	release context.CancelFunc
	lead    func(context.Context)
	changed func(bool)

	mu      sync.Mutex
	begun   bool
	working sync.WaitGroup
}

// begin leads until held, which ends with the Lease, or the term's own context
// is done, and then lets go of the Lease.
func (t *term) begin(held context.Context) {
	t.mu.Lock()
	t.begun = true
	t.working.Add(1)
	t.mu.Unlock()
	defer t.working.Done()
	defer t.release()

	t.changed(true)
	leading, cancel := context.WithCancel(held)
	defer cancel()
	defer context.AfterFunc(t.ctx, cancel)() //nolint:contextcheck // the process's context ends it as well
	t.lead(leading)
}

// end lets go at once if there is nothing to finish.
func (t *term) end() {
	t.mu.Lock()
	defer t.mu.Unlock()
	if !t.begun {
		t.release()
	}
}
