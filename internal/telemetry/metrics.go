// Package telemetry exports the controller's metrics, health and readiness, and has
// the HTTP servers for them.
package telemetry

import (
	"errors"
	"regexp"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
)

const namespace = "kube_aws_iam_controller"

// Metrics are the controller's own metrics.
type Metrics struct {
	refreshes       *prometheus.CounterVec
	refreshDuration prometheus.Histogram
	awsRequests     *prometheus.CounterVec
	awsDuration     *prometheus.HistogramVec
	drift           *prometheus.CounterVec
	leader          prometheus.Gauge
	webhook         *prometheus.CounterVec
	webhookDuration prometheus.Histogram
	ownCredentials  prometheus.Counter
	besideEKS       prometheus.Gauge

	leading atomic.Bool
}

// NewMetrics registers the controller's metrics, and those of the Go runtime and of
// the process, with reg.
func NewMetrics(reg prometheus.Registerer, version string) (*Metrics, error) {
	m := &Metrics{
		refreshes: newCounter("refreshes_total",
			"Attempts to issue credentials, by kind of object, the reason they were due, and result.", "source", "reason", "result"),
		refreshDuration: prometheus.NewHistogram(prometheus.HistogramOpts{
			Namespace: namespace, Name: "refresh_duration_seconds",
			Help:    "How long it took to issue credentials and write the Secret.",
			Buckets: prometheus.ExponentialBuckets(0.005, 2, 13), // 5 ms to 20 s
		}),
		awsRequests: newCounter("aws_requests_total",
			"Requests to AWS, retries included, by error code (OK for none).", "service", "operation", "code"),
		awsDuration: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Namespace: namespace, Name: "aws_request_duration_seconds",
			Help:    "How long requests to AWS took.",
			Buckets: prometheus.ExponentialBuckets(0.005, 2, 12), // 5 ms to 10 s
		}, []string{"service", "operation"}),
		drift: newCounter("role_drift_corrections_total",
			"Changes to managed roles by others that were corrected, by kind.", "kind"),
		leader: prometheus.NewGauge(prometheus.GaugeOpts{
			Namespace: namespace, Name: "is_leader",
			Help: "1 while this replica is the leader, 0 otherwise.",
		}),
		webhook: newCounter("webhook_requests_total", "Requests to the webhook, by result.", "result"),
		webhookDuration: prometheus.NewHistogram(prometheus.HistogramOpts{
			Namespace: namespace, Name: "webhook_request_duration_seconds",
			Help:    "How long it took to answer requests to the webhook, unless the caller is not the API server.",
			Buckets: prometheus.ExponentialBuckets(0.001, 2, 14), // 1 ms to 8 s
		}),
		ownCredentials: prometheus.NewCounter(prometheus.CounterOpts{
			Namespace: namespace, Name: "own_credentials_errors_total",
			Help: "How often the source of the controller's own credentials had none.",
		}),
		besideEKS: newBesideEKS(),
	}
	return m, registerAll(reg,
		m.refreshes, m.refreshDuration, m.awsRequests, m.awsDuration, m.drift, m.leader,
		m.webhook, m.webhookDuration, m.ownCredentials, m.besideEKS, buildInfo(version),
		collectors.NewGoCollector(),
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
	)
}

func newCounter(name, help string, labels ...string) *prometheus.CounterVec {
	return prometheus.NewCounterVec(prometheus.CounterOpts{Namespace: namespace, Name: name, Help: help}, labels)
}

func buildInfo(version string) prometheus.Collector {
	info := prometheus.NewGauge(prometheus.GaugeOpts{
		Namespace: namespace, Name: "build_info",
		Help:        "Always 1; the label is the version that runs.",
		ConstLabels: prometheus.Labels{"version": version},
	})
	info.Set(1)
	return info
}

func registerAll(reg prometheus.Registerer, all ...prometheus.Collector) error {
	var errs []error
	for _, c := range all {
		errs = append(errs, reg.Register(c))
	}
	return errors.Join(errs...)
}

// ObserveRefresh counts an attempt to issue credentials, which failed unless err is nil.
func (m *Metrics) ObserveRefresh(source, reason string, took time.Duration, err error) {
	result := "success"
	if err != nil {
		result = "error"
	}
	m.refreshes.WithLabelValues(source, reason, result).Inc()
	m.refreshDuration.Observe(took.Seconds())
}

// ObserveDrift counts a correction of a managed role.
func (m *Metrics) ObserveDrift(kind string) { m.drift.WithLabelValues(kind).Inc() }

// ObserveWebhook counts a request to the webhook.
func (m *Metrics) ObserveWebhook(result string) { m.webhook.WithLabelValues(result).Inc() }

// ObserveWebhookDuration records how long it took to answer a request to the webhook.
func (m *Metrics) ObserveWebhookDuration(took time.Duration) {
	m.webhookDuration.Observe(took.Seconds())
}

// ObserveOwnCredentialsError counts that the source of the controller's own credentials
// had none.
func (m *Metrics) ObserveOwnCredentialsError() { m.ownCredentials.Inc() }

// errorCode matches AWS's error codes. What answers in AWS's place, such as a proxy,
// may send anything: as a label that would be any number of series, and invalid UTF-8
// is a panic.
var errorCode = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9._-]{0,63}$`)

// ObserveAWSRequest counts an attempt of a request to AWS. The code is AWS's error
// code or "OK"; one that cannot be AWS's is counted as "Malformed".
func (m *Metrics) ObserveAWSRequest(service, operation, code string, took time.Duration) {
	if !errorCode.MatchString(code) {
		code = "Malformed"
	}
	m.awsRequests.WithLabelValues(service, operation, code).Inc()
	m.awsDuration.WithLabelValues(service, operation).Observe(took.Seconds())
}

// SetLeader records whether this replica is the leader.
func (m *Metrics) SetLeader(leading bool) {
	m.leading.Store(leading)
	setBool(m.leader, leading)
}

// setBool sets a gauge to 1 or 0 at once, so that no scrape sees a value in between.
func setBool(gauge prometheus.Gauge, on bool) {
	value := 0.0
	if on {
		value = 1
	}
	gauge.Set(value)
}

// Leading reports whether this replica is the leader. Only the leader exports metrics
// of identities.
func (m *Metrics) Leading() bool { return m.leading.Load() }
