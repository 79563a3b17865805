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
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/kubernetes/fake"
	clienttesting "k8s.io/client-go/testing"
)

func TestNobodyLeadsWhoseElectionHasEnded(t *testing.T) {
	for name, end := range map[string]func(*term){
		"the process was to end": (*term).end,
		"Run has returned":       func(m *term) { assert.NoError(t, m.await()) },
	} {
		t.Run(name, func(t *testing.T) {
			m := &term{
				ctx: t.Context(), resign: func() {}, done: make(chan struct{}), config: config(fake.NewClientset(), &atomic.Bool{}),
				lead: func(context.Context, context.Context) { t.Error("it led") },
			}
			end(m)
			m.begin() // it is called in a goroutine of its own
		})
	}
}

func TestLeaseThatWasNeverLedUnderIsNotLostWithTheElection(t *testing.T) {
	c := config(fake.NewClientset(), &atomic.Bool{})
	c.Fence.renew(time.Now())
	m := &term{ctx: t.Context(), resign: func() {}, done: make(chan struct{}), config: c}
	m.end()
	m.stopped()
	assert.NoError(t, m.await())
}

func TestElectionThatEndsUnderALeaderLosesTheLease(t *testing.T) {
	for name, ended := range map[string]bool{"the work goes on": false, "the work has ended": true} {
		c := config(fake.NewClientset(), &atomic.Bool{})
		c.Fence.renew(time.Now())
		m := &term{ctx: t.Context(), resign: func() {}, done: make(chan struct{}), config: c, begun: true}
		if ended {
			close(m.done)
		}
		m.stopped() // the elector gave up before the fence did
		assert.Equal(t, !ended, errors.Is(c.Fence.Check(), ErrLost), name)
	}
}

func TestEndOfTheProcessIsTheCauseOfTheEndOfTheWork(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sigterm := errors.New("SIGTERM")
		ctx, stop := context.WithCancelCause(t.Context())
		var cause error
		ended := make(chan error)
		go func() {
			ended <- Run(ctx, config(fake.NewClientset(), &atomic.Bool{}), func(ctx, _ context.Context) {
				<-ctx.Done()
				cause = context.Cause(ctx)
			})
		}()
		time.Sleep(time.Second)
		stop(sigterm)
		require.NoError(t, <-ended)
		assert.Equal(t, sigterm, cause)
	})
}

func TestLeaderThatWasKilledIsFollowedWithinTwentySeconds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client := fake.NewClientset()
		ctx, stop := context.WithCancel(t.Context())
		defer stop()
		ended := make(chan error, 2)
		go func() {
			ended <- Run(ctx, config(client, &atomic.Bool{}), func(ctx, _ context.Context) { <-ctx.Done() })
		}()
		time.Sleep(time.Minute)
		lease, err := client.CoordinationV1().Leases("ns").Get(ctx, "lease", metav1.GetOptions{})
		require.NoError(t, err)
		left := fake.NewClientset(lease) // what the one that was killed leaves behind
		begin, led := time.Now(), make(chan time.Duration, 1)
		go func() {
			ended <- Run(ctx, config(left, &atomic.Bool{}), func(ctx, _ context.Context) { led <- time.Since(begin); <-ctx.Done() })
		}()
		after := <-led
		assert.LessOrEqual(t, after, 20*time.Second)
		assert.GreaterOrEqual(t, after, leaseDuration, "it may still be there")
		stop()
		require.NoError(t, <-ended)
		require.NoError(t, <-ended)
	})
}

func TestOutageOfEightSecondsLosesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client, leading := newAPI(), &atomic.Bool{}
		ctx, stop := context.WithCancel(t.Context())
		ended := make(chan error)
		go func() {
			ended <- Run(ctx, config(client.Clientset, leading), func(ctx, _ context.Context) { <-ctx.Done() })
		}()
		time.Sleep(time.Second)
		client.answer(func(clienttesting.Action) (bool, runtime.Object, error) { return true, nil, errors.New("away") })
		time.Sleep(8 * time.Second)
		client.answer(func(clienttesting.Action) (bool, runtime.Object, error) { return false, nil, nil })
		time.Sleep(time.Minute)
		assert.True(t, leading.Load())
		stop()
		require.NoError(t, <-ended)
	})
}

func TestLostLeaseEndsTheProcessSoonWhateverTheWorkDoes(t *testing.T) {
	for name, tc := range map[string]struct{ takes, ends time.Duration }{
		"it ends in time": {4 * time.Second, 4 * time.Second},
		"it does not":     {time.Hour, abandonTimeout},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				client, leading := newAPI(), &atomic.Bool{}
				ended, lost := make(chan error, 1), make(chan time.Time, 1)
				go func() {
					ended <- Run(t.Context(), config(client.Clientset, leading), func(_, held context.Context) {
						<-held.Done()
						lost <- time.Now()
						time.Sleep(tc.takes)
					})
				}()
				time.Sleep(time.Second)
				ways["another holder"].lose(t, client)
				at := <-lost
				synctest.Wait()
				assert.False(t, leading.Load(), "although the work goes on")
				require.ErrorIs(t, <-ended, ErrLost)
				assert.Equal(t, tc.ends, time.Since(at))
				time.Sleep(2 * time.Hour)
			})
		})
	}
}
