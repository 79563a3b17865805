package leader

import (
	"context"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes/fake"
	"k8s.io/client-go/tools/leaderelection"
	"k8s.io/client-go/tools/leaderelection/resourcelock"
)

// electByClientGo is a replica of an older version, which elects with client-go's package.
func electByClientGo(ctx context.Context, t *testing.T, client *fake.Clientset, leading *atomic.Bool) {
	t.Helper()
	elector, err := leaderelection.NewLeaderElector(leaderelection.LeaderElectionConfig{
		Lock: &resourcelock.LeaseLock{
			LeaseMeta: metav1.ObjectMeta{Namespace: "ns", Name: "lease"}, Client: client.CoordinationV1(),
			LockConfig: resourcelock.ResourceLockConfig{Identity: "client-go"},
		},
		LeaseDuration: leaseDuration, RenewDeadline: renewDeadline, RetryPeriod: retryPeriod, ReleaseOnCancel: true,
		Callbacks: leaderelection.LeaderCallbacks{
			OnStartedLeading: func(context.Context) { leading.Store(true) },
			OnStoppedLeading: func() { leading.Store(false) },
		},
	})
	if err != nil {
		t.Error(err)
		return
	}
	elector.Run(ctx)
}

func TestLeaseIsSharedWithReplicasThatElectByClientGo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client, ours, theirs := fake.NewClientset(), &atomic.Bool{}, &atomic.Bool{}
		lead := func(ctx, _ context.Context) { <-ctx.Done() }
		theirCtx, endTheirs := context.WithCancel(t.Context())
		go electByClientGo(theirCtx, t, client, theirs)
		time.Sleep(time.Second)
		ourCtx, endOurs := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() { ended <- Run(ourCtx, config(client, ours), lead) }()
		time.Sleep(10 * time.Minute)
		require.True(t, theirs.Load())
		require.False(t, ours.Load(), "it waits for one that renews")

		endTheirs()
		time.Sleep(5 * time.Second)
		require.True(t, ours.Load(), "it was released")
		theirCtx, endTheirs = context.WithCancel(t.Context())
		defer endTheirs()
		go electByClientGo(theirCtx, t, client, theirs)
		time.Sleep(10 * time.Minute)
		require.True(t, ours.Load())
		require.False(t, theirs.Load(), "it waits for one that renews")

		endOurs()
		require.NoError(t, <-ended)
		time.Sleep(5 * time.Second)
		assert.True(t, theirs.Load(), "it was released")
		lease, err := client.CoordinationV1().Leases("ns").Get(t.Context(), "lease", metav1.GetOptions{})
		require.NoError(t, err)
		assert.Equal(t, int32(2), *lease.Spec.LeaseTransitions)
	})
}
