package app

import (
	"bytes"
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/go-kit/log"
	"github.com/stretchr/testify/assert"

	"kube-aws-iam-controller/internal/broker"
	"kube-aws-iam-controller/internal/config"
	"kube-aws-iam-controller/internal/identity"
	"kube-aws-iam-controller/internal/queue"
	"kube-aws-iam-controller/internal/refresh"
)

// expiring are Secrets whose credentials run out after a time that is the name of
// their identity; of any other name there is none.
type expiring struct{ broker.Secrets }

func (expiring) Observe(key identity.Key) refresh.State {
	left, err := time.ParseDuration(key.Name)
	return refresh.State{Exists: err == nil, Expiration: time.Now().Add(left)}
}

func TestCredentialsThatExpireSoonGoBeforeObjectsWithout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		settings := queueOf(broker.New(broker.Config{Secrets: expiring{}, RefreshLimit: 20 * time.Minute}), 1)
		var served []string
		loop := queue.New(log.NewNopLogger(), func(_ context.Context, key identity.Key, _ bool) (queue.Result[identity.Key], error) {
			served = append(served, key.Name)
			return queue.Result[identity.Key]{}, nil
		}, settings)
		for _, name := range []string{"3m", "10m", "new", "119s", "121s", "1m"} {
			loop.Add(identity.Key{Source: identity.ServiceAccount, Namespace: "ns", Name: name})
		}
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(time.Second, cancel)
		loop.Run(ctx, t.Context(), 1)
		assert.Equal(t, []string{"1m", "119s", "new", "121s", "3m", "10m"}, served)
	})
}

func TestNamespaceOfTheLease(t *testing.T) {
	for name, tc := range map[string]struct {
		elect      bool
		given, own string
		want       string
		fails      bool
	}{
		"given":               {true, "leases", "own", "leases", false},
		"the Pod's":           {true, "", "own", "own", false},
		"outside a cluster":   {true, "", "", "", true},
		"without an election": {false, "", "", "", false},
	} {
		cfg := config.Config{LeaderElect: tc.elect, LeaderElectNamespace: tc.given}
		err := defaultLeaseNamespace(&cfg, tc.own)
		assert.Equal(t, tc.fails, err != nil, name)
		assert.Equal(t, tc.want, cfg.LeaderElectNamespace, name)
	}
}

func TestOwnNamespaceIsThePods(t *testing.T) {
	t.Setenv("POD_NAMESPACE", "own")
	assert.Equal(t, "own", ownNamespace())
	t.Setenv("POD_NAMESPACE", "")
	assert.Empty(t, ownNamespace(), "this is no Pod")
}

func TestUnknownOwnNamespaceIsAWarning(t *testing.T) {
	var logged bytes.Buffer
	warnOfNoNamespace(log.NewLogfmtLogger(&logged), "own")
	assert.Empty(t, logged.String())
	warnOfNoNamespace(log.NewLogfmtLogger(&logged), "")
	assert.Contains(t, logged.String(), "set POD_NAMESPACE")
}
