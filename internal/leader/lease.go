package leader

import (
	"context"
	"fmt"
	"time"

	coordinationv1 "k8s.io/api/coordination/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// Leases is a client for the Leases of one namespace.
type Leases interface {
	Get(ctx context.Context, name string, opts metav1.GetOptions) (*coordinationv1.Lease, error)
	Create(ctx context.Context, lease *coordinationv1.Lease, opts metav1.CreateOptions) (*coordinationv1.Lease, error)
	Update(ctx context.Context, lease *coordinationv1.Lease, opts metav1.UpdateOptions) (*coordinationv1.Lease, error)
}

// fencedLease reads and writes the Lease, and reports its state to a fence.
type fencedLease struct {
	client   Leases
	name, me string
	fence    *Fence
	// seen is the Lease as last read or written, nil before that. changed is when this
	// replica saw its content change: clocks of other replicas are not relied upon.
	seen    *coordinationv1.Lease
	changed time.Time
}

// holder returns who holds the Lease as last seen, "" for nobody.
func (l *fencedLease) holder() string {
	if l.seen == nil || l.seen.Spec.HolderIdentity == nil {
		return ""
	}
	return *l.seen.Spec.HolderIdentity
}

// valid reports whether the Lease as last seen has not expired.
func (l *fencedLease) valid(now time.Time) bool {
	if l.seen == nil || l.seen.Spec.LeaseDurationSeconds == nil {
		return false
	}
	return l.changed.Add(time.Duration(*l.seen.Spec.LeaseDurationSeconds) * time.Second).After(now)
}

// read reads the Lease. If another replica holds the Lease that this one held, it is lost.
func (l *fencedLease) read(ctx context.Context) error {
	if err := l.fence.Check(); err != nil {
		return err
	}
	lease, err := l.client.Get(ctx, l.name, metav1.GetOptions{})
	if err != nil {
		return err
	}
	if l.seen == nil || !equality.Semantic.DeepEqual(l.seen.Spec, lease.Spec) {
		l.changed = time.Now()
	}
	l.seen = lease
	if l.holder() != l.me {
		l.fence.lose()
	}
	return nil
}

// create creates the Lease with this replica as its holder.
func (l *fencedLease) create(ctx context.Context) error {
	lease := &coordinationv1.Lease{ObjectMeta: metav1.ObjectMeta{Name: l.name}, Spec: l.spec(0, time.Now())}
	return l.write(func() (*coordinationv1.Lease, error) { return l.client.Create(ctx, lease, metav1.CreateOptions{}) })
}

// update writes this replica as the holder into the version of the Lease that was last
// seen. The API server refuses that if there is a later one.
func (l *fencedLease) update(ctx context.Context) error {
	lease := l.seen.DeepCopy()
	lease.Spec = l.spec(l.transitions(), time.Now())
	if l.holder() == l.me {
		lease.Spec.AcquireTime = l.seen.Spec.AcquireTime
	} else {
		*lease.Spec.LeaseTransitions++
	}
	return l.write(func() (*coordinationv1.Lease, error) { return l.client.Update(ctx, lease, metav1.UpdateOptions{}) })
}

func (l *fencedLease) write(send func() (*coordinationv1.Lease, error)) error {
	if err := l.fence.Check(); err != nil {
		return err // another replica may hold the Lease by now, whatever was last seen
	}
	sent := time.Now()
	lease, err := send()
	if err != nil {
		return err
	}
	l.seen, l.changed = lease, time.Now()
	l.fence.renew(sent)
	return nil
}

// transitions returns how often the holder has changed.
func (l *fencedLease) transitions() int32 {
	if l.seen.Spec.LeaseTransitions == nil {
		return 0
	}
	return *l.seen.Spec.LeaseTransitions
}

// spec returns that of a Lease which this replica acquires now.
func (l *fencedLease) spec(transitions int32, now time.Time) coordinationv1.LeaseSpec {
	return coordinationv1.LeaseSpec{
		HolderIdentity: &l.me, LeaseDurationSeconds: new(int32(leaseDuration / time.Second)), LeaseTransitions: &transitions,
		AcquireTime: new(metav1.NewMicroTime(now)), RenewTime: new(metav1.NewMicroTime(now)),
	}
}

// release releases the Lease if this replica still holds it, so that a standby need not
// wait until it expires. What was last seen does not tell: another replica may have
// acquired it since.
func (l *fencedLease) release(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, releaseTimeout)
	defer cancel()
	lease, err := l.client.Get(ctx, l.name, metav1.GetOptions{})
	if err != nil {
		return fmt.Errorf("read the lease: %w", err)
	}
	if lease.Spec.HolderIdentity == nil || *lease.Spec.HolderIdentity != l.me {
		return nil
	}
	now := metav1.NowMicro()
	lease.Spec.HolderIdentity, lease.Spec.LeaseDurationSeconds = new(""), new(int32(1))
	lease.Spec.RenewTime, lease.Spec.AcquireTime = &now, &now
	_, err = l.client.Update(ctx, lease, metav1.UpdateOptions{})
	return err
}
