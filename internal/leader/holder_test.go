package leader

import (
	"bytes"
	"context"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/go-kit/log"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"k8s.io/client-go/kubernetes/fake"
)

func TestStandbyLogsThatTheLeaseIsHeldForAnotherNamespace(t *testing.T) {
	for name, tc := range map[string]struct {
		leader, standby string
		says            bool
	}{
		"one namespace and another": {"a", "b", true},
		"all and one":               {"", "b", true},
		"one and all":               {"a", "", true},
		"the same":                  {"a", "a", false},
		"all":                       {"", "", false},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				client := fake.NewClientset()
				ctx, stop := context.WithCancel(t.Context())
				ended := make(chan error, 2)
				var logged bytes.Buffer
				for _, serves := range []string{tc.leader, tc.standby} {
					c := config(client, &atomic.Bool{})
					c.Serves = serves
					if serves == tc.standby {
						c.Logger = log.NewLogfmtLogger(log.NewSyncWriter(&logged))
					}
					go func() { ended <- Run(ctx, c, func(ctx, _ context.Context) { <-ctx.Done() }) }()
					time.Sleep(time.Minute)
				}
				stop()
				require.NoError(t, <-ended)
				require.NoError(t, <-ended)
				count := bytes.Count(logged.Bytes(), []byte("held by a controller of another namespace"))
				if tc.says {
					assert.Equal(t, 1, count, logged.String())
					assert.Contains(t, logged.String(), "lease=ns/lease")
				} else {
					assert.Zero(t, count, logged.String())
				}
			})
		})
	}
}

func TestHolderOfAnOlderVersionHasNoNamespace(t *testing.T) {
	var logged bytes.Buffer
	Config{Serves: "a", Logger: log.NewLogfmtLogger(&logged)}.logForeignHolder("kube-aws-iam-controller-7d4b9_2f1c0d1e-0000-4000-8000-000000000000")
	assert.Empty(t, logged.String())
	assert.Empty(t, servedBy("kube-aws-iam-controller-7d4b9_2f1c0d1e-0000-4000-8000-000000000000"))
	assert.Empty(t, servedBy("a_b_c_d"))
	assert.Empty(t, servedBy(""))
	assert.Equal(t, "team-a", servedBy(holderIdentity("host", "team-a")))
}
