package leader

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/go-kit/log"
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
	return Config{
		Leases: client.CoordinationV1().Leases("ns"), Namespace: "ns", Name: "lease", Fence: NewFence(), Changed: leading.Store, Logger: log.NewNopLogger(),
	}
}

func TestLeaseIsReleasedAfterTheWorkHasEnded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client, leading := fake.NewClientset(), &atomic.Bool{}
		config := config(client, leading)
		ctx, stop := context.WithCancel(t.Context())
		during := ""
		ended := make(chan error)
		go func() {
			ended <- Run(ctx, config, func(ctx, _ context.Context) {
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
		time.Sleep(time.Hour)
		assert.NoError(t, config.Fence.Check(), "a released lease is not lost")
	})
}

func TestStandbyTakesOver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client, first, second := fake.NewClientset(), &atomic.Bool{}, &atomic.Bool{}
		work := func(ctx, _ context.Context) { <-ctx.Done() }
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

func TestStandbyThatNeverLedStopsAtOnce(t *testing.T) {
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
			ended <- Run(ctx, config(client, &atomic.Bool{}), func(context.Context, context.Context) { t.Error("it led") })
		}()
		time.Sleep(5 * time.Second)
		stop()
		require.NoError(t, <-ended)
		assert.Equal(t, "somebody", holder(client), "a lease of somebody else's is left alone")
	})
}

// api is an API server whose answers about Leases can be changed while it is asked.
type api struct {
	*fake.Clientset

	react atomic.Pointer[clienttesting.ReactionFunc]
}

func newAPI() *api {
	a := &api{Clientset: fake.NewClientset()}
	a.PrependReactor("*", "leases", func(action clienttesting.Action) (bool, runtime.Object, error) {
		if react := a.react.Load(); react != nil {
			return (*react)(action)
		}
		return false, nil, nil
	})
	return a
}

// answer changes the answers from now on.
func (a *api) answer(react clienttesting.ReactionFunc) { a.react.Store(&react) }

// A lost is one way to lose the Lease: it begins now, and ends with the test.
type lost func(t *testing.T, client *api)

// ways in which the Lease is lost, and how long after that the work may go on.
var ways = map[string]struct {
	lose   lost
	within time.Duration
}{
	"an API server that answers with errors": {func(_ *testing.T, client *api) {
		client.answer(func(clienttesting.Action) (bool, runtime.Object, error) { return true, nil, errors.New("away") })
	}, trusted},
	"an API server that hangs": {func(t *testing.T, client *api) {
		t.Helper()
		client.answer(func(clienttesting.Action) (bool, runtime.Object, error) {
			time.Sleep(time.Minute) // whatever the context of the request says
			return true, nil, errors.New("away")
		})
	}, trusted},
	"an API server whose answers come late": {func(_ *testing.T, client *api) {
		client.answer(func(clienttesting.Action) (bool, runtime.Object, error) {
			time.Sleep(trusted)
			return false, nil, nil
		})
	}, trusted},
	"another holder": {func(t *testing.T, client *api) {
		t.Helper()
		_, err := client.CoordinationV1().Leases("ns").Update(t.Context(), &coordinationv1.Lease{
			ObjectMeta: metav1.ObjectMeta{Namespace: "ns", Name: "lease"},
			Spec: coordinationv1.LeaseSpec{
				HolderIdentity: new("somebody"), LeaseDurationSeconds: new(int32(15)), RenewTime: new(metav1.NowMicro()), AcquireTime: new(metav1.NowMicro()),
			},
		}, metav1.UpdateOptions{})
		require.NoError(t, err)
		// A real API server refuses an update of what has changed since.
		client.answer(func(action clienttesting.Action) (bool, runtime.Object, error) {
			return action.GetVerb() == "update", nil, errors.New("conflict")
		})
	}, retryPeriod},
}

func TestLostLeaseCancelsWorkInFlight(t *testing.T) {
	for name, way := range ways {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				client, leading := newAPI(), &atomic.Bool{}
				config := config(client.Clientset, leading)
				ended := make(chan error, 1)
				var stopped time.Time
				var cause error
				go func() {
					ended <- Run(t.Context(), config, func(ctx, held context.Context) {
						<-held.Done()
						stopped, cause = time.Now(), context.Cause(held)
						assert.NotNil(t, ctx.Err(), "nothing is begun any more either") //nolint:testifylint // the test goes on
						assert.ErrorIs(t, config.Fence.Check(), ErrLost)
					})
				}()
				time.Sleep(time.Second)
				require.True(t, leading.Load())
				require.NoError(t, config.Fence.Check())
				begin := time.Now()
				way.lose(t, client)
				require.ErrorIs(t, <-ended, ErrLost)
				require.ErrorIs(t, cause, ErrLost)
				assert.LessOrEqual(t, stopped.Sub(begin), way.within)
				assert.Less(t, stopped.Sub(begin), leaseDuration-retryPeriod, "before anybody else can have taken the lease")
				assert.False(t, leading.Load())
				time.Sleep(2 * time.Minute) // what hung has come back
				assert.ErrorIs(t, config.Fence.Check(), ErrLost, "for good")
			})
		})
	}
}

func TestLostLeaseIsNotReleased(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client := newAPI()
		ended := make(chan error, 1)
		go func() {
			ended <- Run(t.Context(), config(client.Clientset, &atomic.Bool{}), func(_, held context.Context) { <-held.Done() })
		}()
		time.Sleep(time.Second)
		ways["another holder"].lose(t, client)
		require.ErrorIs(t, <-ended, ErrLost)
		assert.Equal(t, "somebody", holder(client.Clientset))
	})
}

func TestLeaseLostDuringShutdownCancelsWork(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client := newAPI()
		ctx, stop := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		var abandoned time.Time
		go func() {
			ended <- Run(ctx, config(client.Clientset, &atomic.Bool{}), func(ctx, held context.Context) {
				<-ctx.Done()
				assert.Nil(t, held.Err(), "what is in hand may be finished") //nolint:testifylint // the test goes on
				<-held.Done()
				abandoned = time.Now()
			})
		}()
		time.Sleep(time.Second)
		stop()
		begin := time.Now()
		ways["an API server that hangs"].lose(t, client)
		require.ErrorIs(t, <-ended, ErrLost)
		assert.LessOrEqual(t, abandoned.Sub(begin), trusted)
		time.Sleep(2 * time.Minute)
	})
}

func TestRunDoesNotWaitForWorkThatIgnoresTheLoss(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client := newAPI()
		ended := make(chan error, 1)
		go func() {
			ended <- Run(t.Context(), config(client.Clientset, &atomic.Bool{}), func(context.Context, context.Context) { time.Sleep(time.Hour) })
		}()
		time.Sleep(time.Second)
		begin := time.Now()
		ways["an API server that hangs"].lose(t, client)
		require.ErrorIs(t, <-ended, ErrLost)
		assert.LessOrEqual(t, time.Since(begin), trusted+time.Minute, "as long as the elector waits for the fake")
		time.Sleep(2 * time.Hour)
	})
}

func TestReleaseTimesOut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client := newAPI()
		ctx, stop := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() {
			ended <- Run(ctx, config(client.Clientset, &atomic.Bool{}), func(ctx, _ context.Context) { <-ctx.Done() })
		}()
		time.Sleep(time.Second)
		client.answer(func(clienttesting.Action) (bool, runtime.Object, error) {
			time.Sleep(releaseTimeout) // the fake knows no contexts
			return true, nil, context.DeadlineExceeded
		})
		begin := time.Now()
		stop()
		require.NoError(t, <-ended)
		assert.LessOrEqual(t, time.Since(begin), 2*releaseTimeout)
	})
}

func TestFenceClosesByTheClockOfTheProcess(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := NewFence()
		require.NoError(t, f.Check(), "open until the Lease is held")
		f.renew(time.Now())
		time.Sleep(trusted - time.Second)
		require.NoError(t, f.Check())
		f.renew(time.Now())
		time.Sleep(trusted - time.Second)
		require.NoError(t, f.Check(), "renewed")
		select {
		case <-f.Lost():
			t.Error("lost too early")
		default:
		}
		time.Sleep(time.Second)
		<-f.Lost()
		require.ErrorIs(t, f.Check(), ErrLost)
		f.renew(time.Now())
		require.ErrorIs(t, f.Check(), ErrLost, "for good")
	})
}

func TestFenceIsClosedAfterAPause(t *testing.T) {
	f := NewFence()
	// As after a pause: the time is over, and no timer has run yet.
	f.renewed = time.Now().Add(-trusted)
	require.ErrorIs(t, f.Check(), ErrLost)
}

func TestRenewalCountsFromWhenItsRequestWasSent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client := newAPI()
		var asked, stopped atomic.Pointer[time.Time]
		var hanging atomic.Bool
		client.answer(func(action clienttesting.Action) (bool, runtime.Object, error) {
			if action.GetVerb() != "update" {
				return false, nil, nil
			}
			if hanging.Load() {
				time.Sleep(time.Minute)
				return true, nil, errors.New("away")
			}
			asked.Store(new(time.Now()))
			time.Sleep(4 * time.Second)
			return false, nil, nil
		})
		ended := make(chan error, 1)
		go func() {
			ended <- Run(t.Context(), config(client.Clientset, &atomic.Bool{}), func(_, held context.Context) {
				<-held.Done()
				stopped.Store(new(time.Now()))
			})
		}()
		time.Sleep(time.Minute)
		require.NotNil(t, asked.Load())
		require.Nil(t, stopped.Load(), "slow answers are no loss")
		hanging.Store(true)
		require.ErrorIs(t, <-ended, ErrLost)
		assert.Equal(t, trusted, stopped.Load().Sub(*asked.Load()))
		time.Sleep(2 * time.Minute)
	})
}

func TestRenewalThatTookTooLongDoesNotCount(t *testing.T) {
	f := NewFence()
	f.renew(time.Now().Add(-trusted))
	select {
	case <-f.Lost():
	default:
		t.Error("the fence is still open")
	}
	assert.ErrorIs(t, f.Check(), ErrLost)
}

func TestReleasedLeaseIsNotLost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := NewFence()
		f.renew(time.Now())
		f.release()
		time.Sleep(time.Hour)
		assert.NoError(t, f.Check())
	})
}
