package telemetry

import (
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestWebhookCertificateHasASeriesOnceThereIsOne(t *testing.T) {
	reg := prometheus.NewPedanticRegistry()
	var expires time.Time
	require.NoError(t, RegisterWebhookCertificate(reg, func() time.Time { return expires }))
	const metric = "kube_aws_iam_controller_webhook_certificate_expiration_timestamp_seconds"
	count, err := testutil.GatherAndCount(reg, metric)
	require.NoError(t, err)
	assert.Zero(t, count)
	expires = time.Date(2030, 1, 2, 3, 4, 5, 0, time.UTC)
	require.NoError(t, testutil.GatherAndCompare(reg, strings.NewReader(`
# HELP `+metric+` When the webhook's certificate expires, in seconds since the epoch.
# TYPE `+metric+` gauge
`+metric+` 1893553445
`), metric))
	assert.Error(t, RegisterWebhookCertificate(reg, nil), "registered twice")
}

func TestWebhookRequestsAreCountedByResult(t *testing.T) {
	m, err := NewMetrics(prometheus.NewPedanticRegistry(), "v1")
	require.NoError(t, err)
	for _, result := range []string{"mutated", "unchanged", "mutated"} {
		m.ObserveWebhook(result)
	}
	assert.InDelta(t, 2, testutil.ToFloat64(m.webhook.WithLabelValues("mutated")), 0)
	assert.InDelta(t, 1, testutil.ToFloat64(m.webhook.WithLabelValues("unchanged")), 0)
}

func TestMetricsAreRegisteredOnce(t *testing.T) {
	reg := prometheus.NewPedanticRegistry()
	_, err := NewMetrics(reg, "v1")
	require.NoError(t, err)
	_, err = NewMetrics(reg, "v1")
	assert.Error(t, err)
}

func TestLongestErrorCodeHasItsOwnSeries(t *testing.T) {
	m, err := NewMetrics(prometheus.NewPedanticRegistry(), "v1")
	require.NoError(t, err)
	for length, own := range map[int]bool{1: true, 64: true, 65: false} {
		code := strings.Repeat("a", length)
		m.ObserveAWSRequest("STS", "AssumeRole", code, time.Second)
		assert.Equal(t, own, testutil.ToFloat64(m.awsRequests.WithLabelValues("STS", "AssumeRole", code)) > 0)
	}
}
