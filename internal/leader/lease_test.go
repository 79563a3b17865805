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
)

// patient is a client that heeds the contexts of requests, which the fake one does not. hangs makes its requests
// wait until theirs is done.
type patient struct {
	Leases

	hangs bool
}

func (p *patient) Get(ctx context.Context, name string, opts metav1.GetOptions) (*coordinationv1.Lease, error) {
	if p.hangs {
		<-ctx.Done()
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	return p.Leases.Get(ctx, name, opts)
}

// endsAfter leads for a second, stops, and returns how long the end took.
func endsAfter(t *testing.T, client *fake.Clientset, hangs bool) time.Duration {
	t.Helper()
	p := &patient{Leases: client.CoordinationV1().Leases("ns")}
	config := Config{Leases: p, Namespace: "ns", Name: "lease", Fence: NewFence(), Changed: func(bool) {}, Logger: log.NewNopLogger()}
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
	lease := &fencedLease{client: client.CoordinationV1().Leases("ns"), name: "lease", me: "me", fence: f, seen: &coordinationv1.Lease{}}
	require.ErrorIs(t, lease.create(t.Context()), ErrLost)
	require.ErrorIs(t, lease.update(t.Context()), ErrLost)
	require.ErrorIs(t, lease.read(t.Context()), ErrLost)
	assert.Empty(t, client.Actions())
}
