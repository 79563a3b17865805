package leader

import (
	"context"
	"fmt"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/tools/leaderelection/resourcelock"
)

// fencedLock tells a fence what becomes of the Lease. client-go alone would go on
// for up to the renew deadline after it has seen another holder, and for longer
// where the API server hangs.
type fencedLock struct {
	resourcelock.Interface

	fence *Fence
}

// Get implements resourcelock.Interface. To see somebody else hold the Lease that
// we held is to have lost it.
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
		return err // the Lease is another's by now, whoever it says holds it
	}
	asked := time.Now()
	if err := write(ctx, record); err != nil {
		return err
	}
	l.fence.renew(asked)
	return nil
}

// release gives the Lease back, if it is still ours, so that a standby need not
// wait until it runs out. client-go's own release goes by what it last saw, and
// would take the Lease from whoever holds it since.
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
