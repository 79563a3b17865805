package telemetry

import (
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestEachQueueMetricHasItsOwnName(t *testing.T) {
	reg := prometheus.NewPedanticRegistry()
	provider, err := NewQueueMetrics(reg)
	require.NoError(t, err)
	provider.NewUnfinishedWorkSecondsMetric("q").Set(3)
	provider.NewLongestRunningProcessorSecondsMetric("q").Set(2)
	provider.NewRetriesMetric("q").Inc()
	provider.NewLatencyMetric("q").Observe(0.5)
	provider.NewWorkDurationMetric("q").Observe(20)
	require.NoError(t, testutil.GatherAndCompare(reg, strings.NewReader(`
# HELP workqueue_longest_running_processor_seconds How long the key longest in flight has been in flight.
# TYPE workqueue_longest_running_processor_seconds gauge
workqueue_longest_running_processor_seconds{name="q"} 2
# HELP workqueue_queue_duration_seconds How long keys waited in the queue.
# TYPE workqueue_queue_duration_seconds histogram
workqueue_queue_duration_seconds_bucket{name="q",le="0.0001"} 0
workqueue_queue_duration_seconds_bucket{name="q",le="0.001"} 0
workqueue_queue_duration_seconds_bucket{name="q",le="0.01"} 0
workqueue_queue_duration_seconds_bucket{name="q",le="0.1"} 0
workqueue_queue_duration_seconds_bucket{name="q",le="1"} 1
workqueue_queue_duration_seconds_bucket{name="q",le="10"} 1
workqueue_queue_duration_seconds_bucket{name="q",le="100"} 1
workqueue_queue_duration_seconds_bucket{name="q",le="1000"} 1
workqueue_queue_duration_seconds_bucket{name="q",le="+Inf"} 1
workqueue_queue_duration_seconds_sum{name="q"} 0.5
workqueue_queue_duration_seconds_count{name="q"} 1
# HELP workqueue_retries_total Keys added with a delay.
# TYPE workqueue_retries_total counter
workqueue_retries_total{name="q"} 1
# HELP workqueue_unfinished_work_seconds How long the keys in flight have been in flight, summed up.
# TYPE workqueue_unfinished_work_seconds gauge
workqueue_unfinished_work_seconds{name="q"} 3
`), "workqueue_longest_running_processor_seconds", "workqueue_queue_duration_seconds", "workqueue_retries_total", "workqueue_unfinished_work_seconds"))
	count, err := testutil.GatherAndCount(reg, "workqueue_work_duration_seconds")
	require.NoError(t, err)
	assert.Equal(t, 1, count)
}

func TestRequestsToTheAPIServerAreCountedByCodeMethodAndHost(t *testing.T) {
	reg := prometheus.NewPedanticRegistry()
	m, err := newRESTMetrics(reg)
	require.NoError(t, err)
	m.Increment(t.Context(), "200", "GET", "10.0.0.1:443")
	m.Observe(t.Context(), "GET", url.URL{Host: "10.0.0.1:443", Path: "/api"}, 3*time.Millisecond)
	require.NoError(t, testutil.GatherAndCompare(reg, strings.NewReader(`
# HELP rest_client_requests_total Requests to the API server, by status code.
# TYPE rest_client_requests_total counter
rest_client_requests_total{code="200",host="10.0.0.1:443",method="GET"} 1
`), "rest_client_requests_total"))
	families, err := reg.Gather()
	require.NoError(t, err)
	require.Len(t, families, 2)
	latency := families[0].GetMetric()
	require.Len(t, latency, 1)
	assert.InDelta(t, 0.003, latency[0].GetHistogram().GetSampleSum(), 1e-9)
	labels := map[string]string{}
	for _, label := range latency[0].GetLabel() {
		labels[label.GetName()] = label.GetValue()
	}
	assert.Equal(t, map[string]string{"verb": "GET", "host": "10.0.0.1:443"}, labels)
}
