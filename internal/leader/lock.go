package leader

import (
	"context"
	"fmt"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/tools/leaderelection/resourcelock"
)

// fencedLock reports the state of the Lease to a fence. client-go alone would go on for
// up to the renew deadline after it has observed another holder, and for longer if the
// API server hangs.
type fencedLock struct {
	resourcelock.Interface

	fence *Fence
}

// Get implements resourcelock.Interface. If another replica holds the Lease that this
// one held, it is lost.
func (l *fencedLock) Get(ctx context.Context) (*resourcelock.LeaderElectionRecord, []byte, error) {
	if err := l.fence.Check(); err != nil {
		return nil, nil, err
	}
	record, raw, err := l.Interface.Get(ctx)
	if err == nil && record.HolderIdentity != l.Identity() {
		l.fence.lose()
	}
	return record, raw, err
}

// Create implements resourcelock.Interface.
func (l *fencedLock) Create(ctx context.Context, record resourcelock.LeaderElectionRecord) error {
	return l.write(ctx, record, l.Interface.Create)
}

// Update implements resourcelock.Interface.
func (l *fencedLock) Update(ctx context.Context, record resourcelock.LeaderElectionRecord) error {
	return l.write(ctx, record, l.Interface.Update)
}

func (l *fencedLock) write(
	ctx context.Context, record resourcelock.LeaderElectionRecord, write func(context.Context, resourcelock.LeaderElectionRecord) error,
) error {
	if err := l.fence.Check(); err != nil {
		return err // another replica may hold the Lease by now, whatever the record says
	}
	sent := time.Now()
	if err := write(ctx, record); err != nil {
		return err
	}
	l.fence.renew(sent)
	return nil
}

// release releases the Lease if this replica still holds it, so that a standby need not
// wait until it expires. client-go's own release relies on the last record it observed,
// and would take the Lease from another replica that has acquired it since.
func (l *fencedLock) release(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, releaseTimeout)
	defer cancel()
	record, _, err := l.Interface.Get(ctx)
	if err != nil {
		return fmt.Errorf("read the lease: %w", err)
	}
	if record.HolderIdentity != l.Identity() {
		return nil
	}
	now := metav1.Now()
	return l.Interface.Update(ctx, resourcelock.LeaderElectionRecord{
		LeaderTransitions: record.LeaderTransitions, LeaseDurationSeconds: 1, RenewTime: now, AcquireTime: now,
	})
}
