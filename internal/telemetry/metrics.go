// Package telemetry shows what the process does: metrics, health, readiness,
// and the HTTP server for them.
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

	leading atomic.Bool
}

// NewMetrics registers the controller's metrics, and those of Go and of the
// process, with reg.
func NewMetrics(reg prometheus.Registerer, version string) (*Metrics, error) {
	m := &Metrics{
		refreshes: prometheus.NewCounterVec(prometheus.CounterOpts{
			Namespace: namespace, Name: "refreshes_total",
			Help: "Tries to issue credentials, by kind of object, why they were due, and outcome.",
		}, []string{"source", "reason", "result"}),
		refreshDuration: prometheus.NewHistogram(prometheus.HistogramOpts{
			Namespace: namespace, Name: "refresh_duration_seconds",
			Help:    "How long it took to issue credentials and write the Secret.",
			Buckets: prometheus.ExponentialBuckets(0.005, 2, 13), // 5 ms to 20 s
		}),
		awsRequests: prometheus.NewCounterVec(prometheus.CounterOpts{
			Namespace: namespace, Name: "aws_requests_total",
			Help: "Requests to AWS, each try of a retried one counted, by error code (OK for none).",
		}, []string{"service", "operation", "code"}),
		awsDuration: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Namespace: namespace, Name: "aws_request_duration_seconds",
			Help:    "How long requests to AWS took.",
			Buckets: prometheus.ExponentialBuckets(0.005, 2, 12), // 5 ms to 10 s
		}, []string{"service", "operation"}),
		drift: prometheus.NewCounterVec(prometheus.CounterOpts{
			Namespace: namespace, Name: "role_drift_corrections_total",
			Help: "What somebody else had changed of a ServiceAccount's own role and was corrected, by kind.",
		}, []string{"kind"}),
		leader: prometheus.NewGauge(prometheus.GaugeOpts{
			Namespace: namespace, Name: "is_leader",
			Help: "1 while this replica does the work, 0 otherwise.",
		}),
	}
	m.webhook = prometheus.NewCounterVec(prometheus.CounterOpts{
		Namespace: namespace, Name: "webhook_requests_total",
		Help: "Pods that the webhook was asked about, by what became of them.",
	}, []string{"result"})
	info := prometheus.NewGauge(prometheus.GaugeOpts{
		Namespace: namespace, Name: "build_info",
		Help:        "Always 1; the labels say what runs.",
		ConstLabels: prometheus.Labels{"version": version},
	})
	info.Set(1)
	return m, registerAll(reg,
		m.refreshes, m.refreshDuration, m.awsRequests, m.awsDuration, m.drift, m.leader, m.webhook, info,
		collectors.NewGoCollector(),
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
	)
}

func registerAll(reg prometheus.Registerer, all ...prometheus.Collector) error {
	var errs []error
	for _, c := range all {
		errs = append(errs, reg.Register(c))
	}
	return errors.Join(errs...)
}

// ObserveRefresh counts one try to issue credentials.
func (m *Metrics) ObserveRefresh(source, reason, result string, took time.Duration) {
	m.refreshes.WithLabelValues(source, reason, result).Inc()
	m.refreshDuration.Observe(took.Seconds())
}

// ObserveDrift counts one correction.
func (m *Metrics) ObserveDrift(kind string) { m.drift.WithLabelValues(kind).Inc() }

// ObserveWebhook counts one answer of the webhook.
func (m *Metrics) ObserveWebhook(result string) { m.webhook.WithLabelValues(result).Inc() }

// RegisterWebhookCertificate registers when the webhook's certificate runs out;
// there is no such series before there is one.
func RegisterWebhookCertificate(reg prometheus.Registerer, expiration func() time.Time) error {
	return reg.Register(certificate{
		expiration: expiration,
		desc: prometheus.NewDesc(namespace+"_webhook_certificate_expiration_timestamp_seconds",
			"When the webhook's certificate runs out, in seconds since the epoch.", nil, nil),
	})
}

type certificate struct {
	expiration func() time.Time
	desc       *prometheus.Desc
}

// Describe implements prometheus.Collector.
func (c certificate) Describe(ch chan<- *prometheus.Desc) { ch <- c.desc }

// Collect implements prometheus.Collector.
func (c certificate) Collect(ch chan<- prometheus.Metric) {
	if at := c.expiration(); !at.IsZero() {
		ch <- prometheus.MustNewConstMetric(c.desc, prometheus.GaugeValue, float64(at.Unix()))
	}
}

// errorCode is what AWS's codes look like. What answers in AWS's place, such as
// a proxy, may send anything: a label of it would have no end of values, and
// one that is not UTF-8 is a panic.
var errorCode = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9._-]{0,63}$`)

// ObserveAWSRequest counts one try of a request to AWS; code is "OK" or AWS's,
// and "Malformed" is counted for what cannot be AWS's.
func (m *Metrics) ObserveAWSRequest(service, operation, code string, took time.Duration) {
	if !errorCode.MatchString(code) {
		code = "Malformed"
	}
	m.awsRequests.WithLabelValues(service, operation, code).Inc()
	m.awsDuration.WithLabelValues(service, operation).Observe(took.Seconds())
}

// SetLeader says whether this replica does the work.
func (m *Metrics) SetLeader(leading bool) {
	m.leading.Store(leading)
	m.leader.Set(0)
	if leading {
		m.leader.Set(1)
	}
}

// Leading returns whether this replica does the work. What is known of identities
// is exported by the one that does.
func (m *Metrics) Leading() bool { return m.leading.Load() }
