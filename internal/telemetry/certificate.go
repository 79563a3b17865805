package telemetry

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// RegisterWebhookCertificate registers the metric of when the webhook's certificate
// expires. It has no series while expiration returns the zero Time.
func RegisterWebhookCertificate(reg prometheus.Registerer, expiration func() time.Time) error {
	return reg.Register(certificate{
		expiration: expiration,
		desc: prometheus.NewDesc(namespace+"_webhook_certificate_expiration_timestamp_seconds",
			"When the webhook's certificate expires, in seconds since the epoch.", nil, nil),
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
