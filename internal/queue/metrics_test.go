package queue

import (
	"context"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/go-kit/log"
	"github.com/stretchr/testify/assert"
	"k8s.io/client-go/util/workqueue"
)

// gauges is a workqueue.MetricsProvider that keeps the depth of each queue, and
// ignores all other metrics.
type gauges map[string]*gauge

type gauge struct{ atomic.Int64 }

func (g *gauge) Inc() { g.Add(1) }
func (g *gauge) Dec() { g.Add(-1) }

type ignored struct{}

func (ignored) Inc()            {}
func (ignored) Set(float64)     {}
func (ignored) Observe(float64) {}

func (g gauges) NewDepthMetric(name string) workqueue.GaugeMetric {
	g[name] = &gauge{}
	return g[name]
}
func (gauges) NewAddsMetric(string) workqueue.CounterMetric                        { return ignored{} }
func (gauges) NewLatencyMetric(string) workqueue.HistogramMetric                   { return ignored{} }
func (gauges) NewWorkDurationMetric(string) workqueue.HistogramMetric              { return ignored{} }
func (gauges) NewUnfinishedWorkSecondsMetric(string) workqueue.SettableGaugeMetric { return ignored{} }
func (gauges) NewLongestRunningProcessorSecondsMetric(string) workqueue.SettableGaugeMetric {
	return ignored{}
}
func (gauges) NewRetriesMetric(string) workqueue.CounterMetric { return ignored{} }

func TestDepthOfTheBacklogIsMeasured(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		depth := gauges{}
		q := New(log.NewNopLogger(), func(_ context.Context, _ string, slow bool) (Result, error) {
			if slow {
				time.Sleep(time.Minute)
			}
			return Result{NeedsSlow: !slow}, nil
		}, Config[string]{Name: "keys", Deadline: noDeadline, SlowWorkers: 1, Metrics: depth})
		stop := run(t, q, 1)
		for _, key := range []string{"a", "b", "c"} {
			q.Add(key)
		}
		synctest.Wait()
		assert.EqualValues(t, 2, depth["keys-slow"].Load())
		assert.Zero(t, depth["keys"].Load())
		time.Sleep(time.Hour)
		assert.Zero(t, depth["keys-slow"].Load())
		stop()
	})
}
