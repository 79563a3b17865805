package telemetry

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// RegisterQueueWait registers the metric of how long the key that waits the longest
// has waited, in each queue by its name. client-go's histogram of waits tells only of
// keys that wait no more.
func RegisterQueueWait(reg prometheus.Registerer, longest func() map[string]time.Duration) error {
	return reg.Register(queueWait{
		longest: longest,
		desc: prometheus.NewDesc(namespace+"_queue_longest_wait_seconds",
			"How long the identity that waits the longest for a worker has waited, 0 if none waits.", []string{"queue"}, nil),
	})
}

// queueWait is read at each scrape.
type queueWait struct {
	longest func() map[string]time.Duration
	desc    *prometheus.Desc
}

// Describe implements prometheus.Collector.
func (q queueWait) Describe(ch chan<- *prometheus.Desc) { ch <- q.desc }

// Collect implements prometheus.Collector.
func (q queueWait) Collect(ch chan<- prometheus.Metric) {
	for name, waited := range q.longest() {
		ch <- prometheus.MustNewConstMetric(q.desc, prometheus.GaugeValue, waited.Seconds(), name)
	}
}
