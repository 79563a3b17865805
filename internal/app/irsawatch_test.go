package app

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"kube-aws-iam-controller/internal/config"
	"kube-aws-iam-controller/internal/telemetry"
)

const besideMetric = "kube_aws_iam_controller_beside_eks_webhook"

func TestTheLeaderNoticesAWebhookOfEKSThatIsInstalledLater(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, cluster, logged := besideEKSWebhook(t, config.ReadIRSA)
		registry := prometheus.NewRegistry()
		var err error
		c.metrics, err = telemetry.NewMetrics(registry, "")
		require.NoError(t, err)
		later := func() {
			time.Sleep(eksWebhookInterval)
			synctest.Wait()
		}
		beside := func(value string) {
			t.Helper()
			text := "# HELP " + besideMetric + " 1 while --irsa-annotations is on and the leader sees the webhook of EKS in the cluster, 0 otherwise.\n" +
				"# TYPE " + besideMetric + " gauge\n" + besideMetric + " " + value + "\n"
			assert.NoError(t, testutil.GatherAndCompare(registry, strings.NewReader(text), besideMetric))
		}
		all := cluster.configurations
		cluster.configurations = all[:1]
		ctx, stop := context.WithCancel(t.Context())
		go c.warnBesideEKS(ctx)
		synctest.Wait()
		beside("0")
		assert.Empty(t, logged.String())

		cluster.change(func() { cluster.configurations = all })
		later()
		beside("1")
		assert.Contains(t, logged.String(), "MutatingWebhookConfiguration irsa")
		assert.Contains(t, logged.String(), "level=warn")

		cluster.change(func() {
			cluster.fails = make([]error, cluster.asked+1)
			cluster.fails[cluster.asked] = errors.New("the API server is away")
		})
		later()
		beside("1") // nothing else is known

		stop()
		synctest.Wait()
		beside("0")
	})
}

func TestNobodyLooksForTheWebhookOfEKSWhereItDoesNotMatter(t *testing.T) {
	for _, flag := range []config.IRSAAnnotations{config.IgnoreIRSA, config.ForceIRSA} {
		c, cluster, _ := besideEKSWebhook(t, flag)
		c.warnBesideEKS(t.Context())
		assert.Zero(t, cluster.asked)
	}
}
