package leader

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/go-kit/log"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	coordinationv1 "k8s.io/api/coordination/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes/fake"
	coordinationv1client "k8s.io/client-go/kubernetes/typed/coordination/v1"
	"k8s.io/client-go/tools/leaderelection/resourcelock"
)

// patient is a client that heeds the contexts of requests, which the fake one does not. hangs makes its requests
// wait until theirs is done.
type patient struct {
	coordinationv1client.LeasesGetter

	hangs bool
}

func (p *patient) Leases(namespace string) coordinationv1client.LeaseInterface {
	return patientLeases{p.LeasesGetter.Leases(namespace), p}
}

type patientLeases struct {
	coordinationv1client.LeaseInterface

	client *patient
}

func (l patientLeases) Get(ctx context.Context, name string, opts metav1.GetOptions) (*coordinationv1.Lease, error) {
	if l.client.hangs {
		<-ctx.Done()
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	return l.LeaseInterface.Get(ctx, name, opts)
}

// endsAfter leads for a second, stops, and returns how long the end took.
func endsAfter(t *testing.T, client *fake.Clientset, hangs bool) time.Duration {
	t.Helper()
	p := &patient{LeasesGetter: client.CoordinationV1()}
	config := Config{Client: p, Namespace: "ns", Name: "lease", Fence: NewFence(), Changed: func(bool) {}, Logger: log.NewNopLogger()}
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error)
	go func() { ended <- Run(ctx, config, func(ctx, _ context.Context) { <-ctx.Done() }) }()
	time.Sleep(time.Second)
	synctest.Wait()
	p.hangs = hangs
	begin := time.Now()
	stop()
	require.NoError(t, <-ended)
	return time.Since(begin)
}

func TestLeaseIsReleasedAlthoughTheProcessIsToEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client := fake.NewClientset()
		assert.Zero(t, endsAfter(t, client, false))
		assert.Empty(t, holder(client))
	})
}

func TestReleaseLeavesTimeToEndInTenSeconds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client := fake.NewClientset()
		assert.LessOrEqual(t, endsAfter(t, client, true), 2*time.Second, "seven of them are for the work in hand")
		assert.NotEmpty(t, holder(client), "it runs out by itself")
	})
}

func TestReleaseKeepsTheCountOfLeaders(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client := fake.NewClientset()
		for range 3 {
			endsAfter(t, client, false)
		}
		lease, err := client.CoordinationV1().Leases("ns").Get(t.Context(), "lease", metav1.GetOptions{})
		require.NoError(t, err)
		assert.Equal(t, int32(2), *lease.Spec.LeaseTransitions)
	})
}

func TestNothingIsWrittenToALeaseThatIsLost(t *testing.T) {
	client := fake.NewClientset()
	f := NewFence()
	f.renew(time.Now())
	f.lose()
	lock := &fencedLock{fence: f, Interface: &resourcelock.LeaseLock{
		LeaseMeta: metav1.ObjectMeta{Namespace: "ns", Name: "lease"}, Client: client.CoordinationV1(),
		LockConfig: resourcelock.ResourceLockConfig{Identity: "me"},
	}}
	record := resourcelock.LeaderElectionRecord{HolderIdentity: "me"}
	require.ErrorIs(t, lock.Create(t.Context(), record), ErrLost)
	require.ErrorIs(t, lock.Update(t.Context(), record), ErrLost)
	_, _, err := lock.Get(t.Context())
	require.ErrorIs(t, err, ErrLost)
	assert.Empty(t, client.Actions())
}
