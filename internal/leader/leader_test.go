package leader

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	coordinationv1 "k8s.io/api/coordination/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/kubernetes/fake"
	clienttesting "k8s.io/client-go/testing"
)

// holder returns who holds the lease, "" for nobody.
func holder(client *fake.Clientset) string {
	lease, err := client.CoordinationV1().Leases("ns").Get(context.Background(), "lease", metav1.GetOptions{})
	if err != nil || lease.Spec.HolderIdentity == nil {
		return ""
	}
	return *lease.Spec.HolderIdentity
}

func config(client *fake.Clientset, leading *atomic.Bool) Config {
	return Config{Client: client, Namespace: "ns", Name: "lease", Changed: leading.Store}
}

func TestTheLeaseIsReleasedOnceTheWorkIsDone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client, leading := fake.NewClientset(), &atomic.Bool{}
		ctx, stop := context.WithCancel(t.Context())
		during := ""
		ended := make(chan error)
		go func() {
			ended <- Run(ctx, config(client, leading), func(ctx context.Context) {
				<-ctx.Done()
				time.Sleep(3 * time.Second) // work in hand
				during = holder(client)
			})
		}()
		time.Sleep(time.Second)
		assert.True(t, leading.Load())
		stop()
		begin := time.Now()
		require.NoError(t, <-ended)
		assert.Equal(t, 3*time.Second, time.Since(begin))
		assert.NotEmpty(t, during, "held to the end of the work")
		assert.Empty(t, holder(client), "and then released")
		assert.False(t, leading.Load())
	})
}

func TestAStandbyTakesOver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client, first, second := fake.NewClientset(), &atomic.Bool{}, &atomic.Bool{}
		work := func(ctx context.Context) { <-ctx.Done() }
		ctx, stop := context.WithCancel(t.Context())
		ended := make(chan error, 2)
		go func() { ended <- Run(ctx, config(client, first), work) }()
		time.Sleep(time.Second)
		go func() { ended <- Run(t.Context(), config(client, second), work) }()
		time.Sleep(time.Minute)
		assert.True(t, first.Load())
		assert.False(t, second.Load())
		stop()
		require.NoError(t, <-ended)
		time.Sleep(5 * time.Second)
		assert.True(t, second.Load(), "within five seconds of a clean end")
		// The test's context ends the second one; its bubble has to see that.
		t.Cleanup(func() { assert.NoError(t, <-ended) })
	})
}

func TestAStandbyThatNeverLedEndsAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client := fake.NewClientset(&coordinationv1.Lease{
			ObjectMeta: metav1.ObjectMeta{Namespace: "ns", Name: "lease"},
			Spec: coordinationv1.LeaseSpec{
				HolderIdentity: new("somebody"), LeaseDurationSeconds: new(int32(15)), RenewTime: new(metav1.NowMicro()), AcquireTime: new(metav1.NowMicro()),
			},
		})
		ctx, stop := context.WithCancel(t.Context())
		ended := make(chan error)
		go func() {
			ended <- Run(ctx, config(client, &atomic.Bool{}), func(context.Context) { t.Error("it led") })
		}()
		time.Sleep(5 * time.Second)
		stop()
		require.NoError(t, <-ended)
		assert.Equal(t, "somebody", holder(client), "a lease of somebody else's is left alone")
	})
}

func TestALostLeaseEndsTheWork(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client := fake.NewClientset()
		var away atomic.Bool
		client.PrependReactor("*", "leases", func(clienttesting.Action) (bool, runtime.Object, error) {
			return away.Load(), nil, errors.New("away")
		})
		ended := make(chan error)
		var stopped time.Time
		go func() {
			ended <- Run(t.Context(), config(client, &atomic.Bool{}), func(ctx context.Context) { <-ctx.Done(); stopped = time.Now() })
		}()
		time.Sleep(time.Second)
		away.Store(true)
		begin := time.Now()
		require.ErrorIs(t, <-ended, errLost)
		assert.LessOrEqual(t, stopped.Sub(begin), leaseDuration, "before anybody else can have taken the lease")
	})
}
