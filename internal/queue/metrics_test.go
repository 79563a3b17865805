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
		q := New(log.NewNopLogger(), func(_ context.Context, _ string, slow bool) (Result[string], error) {
			if slow {
				time.Sleep(time.Minute)
			}
			return Result[string]{NeedsSlow: !slow}, nil
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

func TestLongestWaitIsOfTheKeyThatWaitsTheLongest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := New(log.NewNopLogger(), func(_ context.Context, key string, slow bool) (Result[string], error) {
			time.Sleep(time.Minute)
			return Result[string]{NeedsSlow: !slow && key == "slow"}, nil
		}, Config[string]{Name: "keys", Deadline: noDeadline, SlowWorkers: 1})
		assert.Equal(t, map[string]time.Duration{"keys": 0, "keys-slow": 0}, q.LongestWaits())
		stop := run(t, q, 1)
		q.Add("slow")
		synctest.Wait()
		q.Add("a")
		time.Sleep(30 * time.Second)
		q.Add("b")
		q.Add("a") // once more, which does not make it wait anew
		synctest.Wait()
		assert.Equal(t, map[string]time.Duration{"keys": 30 * time.Second, "keys-slow": 0}, q.LongestWaits())
		time.Sleep(40 * time.Second) // a is being synced
		assert.Equal(t, 40*time.Second, q.LongestWaits()["keys"])
		time.Sleep(time.Hour)
		assert.Equal(t, map[string]time.Duration{"keys": 0, "keys-slow": 0}, q.LongestWaits(), "nothing waits")
		stop()
	})
}

func TestLongestWaitForASlowWorker(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := New(log.NewNopLogger(), func(_ context.Context, _ string, slow bool) (Result[string], error) {
			if slow {
				time.Sleep(time.Minute)
			}
			return Result[string]{NeedsSlow: !slow}, nil
		}, Config[string]{Name: "keys", Deadline: noDeadline, SlowWorkers: 1})
		stop := run(t, q, 1)
		q.Add("a")
		q.Add("b")
		time.Sleep(20 * time.Second)
		assert.Equal(t, map[string]time.Duration{"keys": 0, "keys-slow": 20 * time.Second}, q.LongestWaits())
		time.Sleep(time.Hour)
		stop()
	})
}
