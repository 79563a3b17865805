package telemetry

import (
	"github.com/prometheus/client_golang/prometheus"
	"k8s.io/client-go/util/workqueue"
)

// queueMetrics implements workqueue.MetricsProvider with the names that dashboards of
// Kubernetes controllers expect.
type queueMetrics struct {
	depth, unfinished, longest *prometheus.GaugeVec
	adds, retries              *prometheus.CounterVec
	latency, duration          *prometheus.HistogramVec
}

// NewQueueMetrics registers the metrics of work queues with reg.
func NewQueueMetrics(reg prometheus.Registerer) (workqueue.MetricsProvider, error) {
	labels := []string{"name"}
	gauge := func(name, help string) *prometheus.GaugeVec {
		return prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: "workqueue_" + name, Help: help}, labels)
	}
	counter := func(name, help string) *prometheus.CounterVec {
		return prometheus.NewCounterVec(prometheus.CounterOpts{Name: "workqueue_" + name, Help: help}, labels)
	}
	histogram := func(name, help string) *prometheus.HistogramVec {
		return prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "workqueue_" + name, Help: help, Buckets: prometheus.ExponentialBuckets(1e-4, 10, 8), // 0.1 ms to 1,000 s
		}, labels)
	}
	q := &queueMetrics{
		depth:      gauge("depth", "Keys waiting in the queue."),
		unfinished: gauge("unfinished_work_seconds", "How long the keys in flight have been in flight, summed up."),
		longest:    gauge("longest_running_processor_seconds", "How long the key longest in flight has been in flight."),
		adds:       counter("adds_total", "Keys added to the queue."),
		retries:    counter("retries_total", "Keys added with a delay."),
		latency:    histogram("queue_duration_seconds", "How long keys waited in the queue."),
		duration:   histogram("work_duration_seconds", "How long the sync of a key took."),
	}
	return q, registerAll(reg, q.depth, q.unfinished, q.longest, q.adds, q.retries, q.latency, q.duration)
}

// NewDepthMetric implements workqueue.MetricsProvider, as do all methods below.
func (q *queueMetrics) NewDepthMetric(name string) workqueue.GaugeMetric {
	return q.depth.WithLabelValues(name)
}

func (q *queueMetrics) NewAddsMetric(name string) workqueue.CounterMetric {
	return q.adds.WithLabelValues(name)
}

func (q *queueMetrics) NewLatencyMetric(name string) workqueue.HistogramMetric {
	return q.latency.WithLabelValues(name)
}

func (q *queueMetrics) NewWorkDurationMetric(name string) workqueue.HistogramMetric {
	return q.duration.WithLabelValues(name)
}

func (q *queueMetrics) NewUnfinishedWorkSecondsMetric(name string) workqueue.SettableGaugeMetric {
	return q.unfinished.WithLabelValues(name)
}

func (q *queueMetrics) NewLongestRunningProcessorSecondsMetric(name string) workqueue.SettableGaugeMetric {
	return q.longest.WithLabelValues(name)
}

func (q *queueMetrics) NewRetriesMetric(name string) workqueue.CounterMetric {
	return q.retries.WithLabelValues(name)
}
