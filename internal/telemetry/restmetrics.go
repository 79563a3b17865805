package telemetry

import (
	"context"
	"net/url"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"k8s.io/client-go/tools/metrics"
)

// restMetrics implements the metrics hooks of client-go's REST client. Paths are no
// label: they contain names of objects, and would be any number of series.
type restMetrics struct {
	requests *prometheus.CounterVec
	latency  *prometheus.HistogramVec
}

// RegisterRESTClient registers the metrics of client-go's REST client with reg.
// client-go has one hook per process, and keeps the first that is registered.
func RegisterRESTClient(reg prometheus.Registerer) error {
	m, err := newRESTMetrics(reg)
	if err != nil {
		return err
	}
	metrics.Register(metrics.RegisterOpts{RequestResult: m, RequestLatency: m})
	return nil
}

func newRESTMetrics(reg prometheus.Registerer) (*restMetrics, error) {
	m := &restMetrics{
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "rest_client_requests_total", Help: "Requests to the API server, by status code.",
		}, []string{"code", "method", "host"}),
		latency: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "rest_client_request_duration_seconds", Help: "How long requests to the API server took.",
			Buckets: prometheus.ExponentialBuckets(0.001, 2, 14), // 1 ms to 8 s
		}, []string{"verb", "host"}),
	}
	return m, registerAll(reg, m.requests, m.latency)
}

// Increment implements metrics.ResultMetric.
func (m *restMetrics) Increment(_ context.Context, code, method, host string) {
	m.requests.WithLabelValues(code, method, host).Inc()
}

// Observe implements metrics.LatencyMetric.
func (m *restMetrics) Observe(_ context.Context, verb string, u url.URL, took time.Duration) {
	m.latency.WithLabelValues(verb, u.Host).Observe(took.Seconds())
}
