package telemetry

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// RegisterWebhookCertificate registers the metric of when the webhook's certificate
// expires. It has no series while expiration returns the zero Time.
func RegisterWebhookCertificate(reg prometheus.Registerer, expires func() time.Time) error {
	return reg.Register(expiration{
		at: expires,
		desc: prometheus.NewDesc(namespace+"_webhook_certificate_expiration_timestamp_seconds",
			"When the webhook's certificate expires, in seconds since the epoch.", nil, nil),
	})
}

// RegisterOwnCredentials registers the metric of when the controller's own credentials
// expire, for a source that does not renew them when they are needed. It has no series
// while expires returns the zero Time.
func RegisterOwnCredentials(reg prometheus.Registerer, expires func() time.Time) error {
	return reg.Register(expiration{
		at: expires,
		desc: prometheus.NewDesc(namespace+"_own_credentials_expiration_timestamp_seconds",
			"When the credentials in the file of the controller's own credentials expire, in seconds since the epoch.", nil, nil),
	})
}

// expiration is a metric that is read at each scrape.
type expiration struct {
	at   func() time.Time
	desc *prometheus.Desc
}

// Describe implements prometheus.Collector.
func (e expiration) Describe(ch chan<- *prometheus.Desc) { ch <- e.desc }

// Collect implements prometheus.Collector.
func (e expiration) Collect(ch chan<- prometheus.Metric) {
	if at := e.at(); !at.IsZero() {
		ch <- prometheus.MustNewConstMetric(e.desc, prometheus.GaugeValue, float64(at.Unix()))
	}
}
