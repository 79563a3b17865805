package app

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/go-kit/log"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"kube-aws-iam-controller/internal/broker"
	"kube-aws-iam-controller/internal/config"
	"kube-aws-iam-controller/internal/identity"
	"kube-aws-iam-controller/internal/queue"
	"kube-aws-iam-controller/internal/refresh"
	"kube-aws-iam-controller/internal/status"
)

func TestWorkersThatWaitForIAM(t *testing.T) {
	for _, tc := range []struct {
		workers int
		qps     float64
		want    int
	}{
		{20, 10, 5},   // as many as IAM answers in half a second
		{20, 100, 26}, // three quarters are no more than --workers
		{4, 100, 5},
		{20, 1, 1},
		{1, 0.1, 1},
	} {
		got := iamWorkers(config.Config{Workers: tc.workers, IAMQPS: tc.qps})
		assert.Equal(t, tc.want, got, tc)
		assert.LessOrEqual(t, got*3/4, tc.workers)
	}
}

func TestInspectionsTakeNoWorkersFromOthers(t *testing.T) {
	// ofOneNamespace is how many slow workers one namespace may use, see queue.
	ofOneNamespace := func(workers int) int { return max(1, workers-(workers+3)/4) }
	for workers := 1; workers <= 200; workers++ {
		all, inspecting := slowWorkers(workers), inspections(workers)
		assert.Positive(t, inspecting)
		assert.GreaterOrEqual(t, all-inspecting, workers, workers)
		assert.GreaterOrEqual(t, ofOneNamespace(all)-inspecting, ofOneNamespace(workers), workers)
		assert.LessOrEqual(t, all, workers+workers/2+3, "no more than that takes")
	}
}

func TestQueueIsByNamespaceAndEndsInTime(t *testing.T) {
	settings := queueOf(broker.New(broker.Config{}), 7)
	assert.Equal(t, "a", settings.Tenant(identity.Key{Source: identity.ServiceAccount, Namespace: "a", Name: "b"}))
	assert.Equal(t, 7, settings.SlowWorkers)
	assert.Equal(t, 2*time.Minute, settings.Timeout)
	assert.Less(t, settings.Timeout, stuckTimeout, "a worker that may still end is not stuck")
	assert.Positive(t, settings.Grace)
	assert.LessOrEqual(t, settings.Grace+1500*time.Millisecond, shutdownTimeout, "there is time to release the Lease")
	assert.Less(t, shutdownTimeout, 10*time.Second)
}

// objects are a source of objects that all ask for one identity, or are gone.
type objects struct {
	broker.Source

	asked *identity.Desired
}

func (o objects) Desired(context.Context, identity.Key) (*identity.Desired, error) {
	return o.asked, nil
}

func (objects) Report(context.Context, identity.Desired, identity.Status) error { return nil }

// roles may have been made for every object.
type roles struct{ broker.ManagedRoles }

func (roles) MayExist(identity.Key) bool { return true }

// stored are Secrets whose credentials last for an hour.
type stored struct {
	broker.Secrets

	hash, role string
}

func (s stored) Observe(identity.Key) refresh.State {
	return refresh.State{Exists: true, SpecHash: s.hash, RoleARN: s.role, Expiration: time.Now().Add(time.Hour)}
}

func TestWhatNeedsIAMIsLeftToSlowWorkers(t *testing.T) {
	b := broker.New(broker.Config{
		Sources: map[identity.Source]broker.Source{identity.ServiceAccount: objects{}}, Roles: roles{}, Secrets: stored{},
		Status: status.New(nil, log.NewNopLogger()), Logger: log.NewNopLogger(), RefreshLimit: 20 * time.Minute,
	})
	got, err := syncWith(b)(context.Background(), identity.Key{Source: identity.ServiceAccount, Namespace: "ns", Name: "app"}, false)
	require.NoError(t, err)
	assert.Equal(t, queue.Result[identity.Key]{NeedsSlow: true}, got)
	_, err = syncWith(b)(context.Background(), identity.Key{Source: "odd"}, false)
	assert.ErrorContains(t, err, "unknown source")
}

// permissive lets every object use its role, which needs no check.
type permissive struct {
	broker.Rules
	broker.ExternalIDs
}

func (permissive) Permit(context.Context, identity.Key, func(context.Context) (identity.RoleReference, error)) error {
	return nil
}

func (permissive) Reissue(refresh.State) bool { return false }

// unmade are managed roles of which there are none.
type unmade struct{ broker.ManagedRoles }

func (unmade) MayExist(identity.Key) bool { return false }

func (s stored) LabelsDiffer(identity.Desired) bool { return false }

func TestQueueComesBackWhenCredentialsAreDue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		role := identity.RoleReference{Partition: "aws", Account: account, Name: "app"}
		asked := &identity.Desired{Key: identity.Key{Source: identity.ServiceAccount, Namespace: "ns", Name: "app"}, Role: role}
		b := broker.New(broker.Config{
			Sources: map[identity.Source]broker.Source{identity.ServiceAccount: objects{asked: asked}},
			Rules:   permissive{}, ExternalIDs: permissive{}, Roles: unmade{}, Secrets: stored{hash: asked.SpecHash(), role: role.String()},
			Status: status.New(nil, log.NewNopLogger()), Logger: log.NewNopLogger(), RefreshLimit: 20 * time.Minute,
		})
		got, err := syncWith(b)(t.Context(), asked.Key, false)
		require.NoError(t, err)
		assert.Equal(t, queue.Result[identity.Key]{After: 40 * time.Minute}, got)
	})
}
