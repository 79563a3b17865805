package telemetry

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// RegisterDriftInterval registers the metric of how often each managed role is checked
// for drift. It has no series while leading returns false, and while interval returns 0
// because roles are not checked.
func RegisterDriftInterval(reg prometheus.Registerer, leading func() bool, interval func() time.Duration) error {
	return reg.Register(driftInterval{
		leading: leading, interval: interval,
		desc: prometheus.NewDesc(namespace+"_drift_interval_seconds",
			"How often each managed role is checked for drift: --drift-interval, or more seldom if there are too many roles for that.", nil, nil),
	})
}

// driftInterval is read at each scrape.
type driftInterval struct {
	leading  func() bool
	interval func() time.Duration
	desc     *prometheus.Desc
}

// Describe implements prometheus.Collector.
func (d driftInterval) Describe(ch chan<- *prometheus.Desc) { ch <- d.desc }

// Collect implements prometheus.Collector.
func (d driftInterval) Collect(ch chan<- prometheus.Metric) {
	if !d.leading() {
		return
	}
	if interval := d.interval(); interval > 0 {
		ch <- prometheus.MustNewConstMetric(d.desc, prometheus.GaugeValue, interval.Seconds())
	}
}
