package app

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/go-kit/log"
	"github.com/stretchr/testify/assert"

	"kube-aws-iam-controller/internal/broker"
	"kube-aws-iam-controller/internal/identity"
	"kube-aws-iam-controller/internal/queue"
	"kube-aws-iam-controller/internal/refresh"
	"kube-aws-iam-controller/internal/status"
)

// outage is a cluster, and an STS that is away until it is back.
type outage struct {
	permissive
	unmade
	broker.Secrets

	mu     sync.Mutex
	away   bool
	served map[identity.Key]refresh.State
}

func (o *outage) Desired(_ context.Context, key identity.Key) (*identity.Desired, error) {
	return &identity.Desired{
		Key: key, SecretName: key.Name, SessionDuration: time.Hour,
		Role: identity.RoleReference{Partition: "aws", Account: account, Name: "app"},
	}, nil
}

func (o *outage) Report(context.Context, identity.Desired, identity.Status) error { return nil }

func (o *outage) Release(context.Context, identity.Key) (bool, error) { return false, nil }

func (o *outage) Resolve(_ context.Context, want identity.Desired) (identity.RoleReference, error) {
	return want.Role, nil
}

func (o *outage) MayRunOn(context.Context, string, identity.RoleReference) (bool, error) {
	return false, nil
}

func (o *outage) Assume(_ context.Context, want identity.Desired) (identity.Credentials, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.away {
		return identity.Credentials{}, fmt.Errorf("STS did not answer: %w", identity.ErrOutage)
	}
	return identity.Credentials{RoleARN: want.Role.String(), Expiration: time.Now().Add(want.SessionDuration)}, nil
}

func (o *outage) Check(context.Context, identity.Desired) (time.Time, error) {
	return time.Time{}, nil
}

func (o *outage) Confirm(context.Context, identity.Desired, string) error { return nil }

func (o *outage) Begin() {}

func (o *outage) Forget(identity.Key) {}

func (o *outage) Observe(key identity.Key) refresh.State {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.served[key]
}

func (o *outage) CheckName(context.Context, identity.Desired) error { return nil }

func (o *outage) LabelsDiffer(identity.Desired) bool { return false }

func (o *outage) Apply(_ context.Context, want identity.Desired, creds identity.Credentials) (refresh.State, bool, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	state := refresh.State{Exists: true, RoleARN: creds.RoleARN, Expiration: creds.Expiration, Session: want.SessionDuration, SpecHash: want.SpecHash()}
	o.served[want.Key] = state
	return state, true, nil
}

// serves returns how many have credentials.
func (o *outage) serves() int {
	o.mu.Lock()
	defer o.mu.Unlock()
	return len(o.served)
}

func (o *outage) ObserveRefresh(string, string, time.Duration, error) {}

func (o *outage) Normal(identity.Desired, string, string) {}

func (o *outage) Warn(identity.Desired, bool, string, string) {}

func (o *outage) TryWarn(identity.Desired, bool, string, string) time.Duration { return 0 }

func (unmade) HasOwner(identity.Key) {}

func (unmade) Ensured(identity.Key) bool { return false }

func (unmade) Settling(identity.Key) (time.Duration, bool) { return 0, false }

func (unmade) Forget(identity.Key) {}

func (unmade) LastUsed(_ identity.Key, _ string, recorded identity.RoleUse) identity.RoleUse {
	return recorded
}

func TestAllAreServedAtOnceAfterAnOutageOfSTS(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const n = 200
		o := &outage{away: true, served: map[identity.Key]refresh.State{}}
		b := broker.New(broker.Config{
			Sources: map[identity.Source]broker.Source{identity.ServiceAccount: o}, Rules: o, ExternalIDs: o, Sessions: o, Roles: o.unmade, Secrets: o,
			Metrics: o, Status: status.New(o, log.NewNopLogger()), Logger: log.NewNopLogger(), RefreshLimit: 20 * time.Minute,
		})
		q := queue.New(log.NewNopLogger(), syncWith(b), queueOf(b, 1))
		ctx, stop := context.WithCancel(t.Context())
		defer stop()
		go q.Run(ctx, context.WithoutCancel(ctx), 10)
		for i := range n {
			q.Add(identity.Key{Source: identity.ServiceAccount, Namespace: fmt.Sprint("ns-", i%10), Name: fmt.Sprint("app-", i)})
		}
		time.Sleep(time.Hour) // by then each waits for minutes after a failure
		o.mu.Lock()
		assert.Empty(t, o.served)
		o.away = false
		o.mu.Unlock()
		for i := 0; o.serves() == 0 && i < 600; i++ {
			time.Sleep(time.Second)
		}
		time.Sleep(time.Second)
		assert.Equal(t, n, o.serves(), "a second after the first one")
		stop()
		synctest.Wait()
	})
}
