package cluster

import (
	"context"
	"fmt"
)

// Histogram is how often something was observed, in all and up to the bounds of buckets.
type Histogram struct {
	Count   float64
	Buckets map[float64]float64
}

// Histogram returns the sum of the API server's histograms of a name and with labels.
func (a *Access) Histogram(ctx context.Context, name string, labels map[string]string) (Histogram, error) {
	families, err := a.metrics(ctx)
	if err != nil {
		return Histogram{}, err
	}
	sum := Histogram{Buckets: map[float64]float64{}}
	for _, metric := range families[name].GetMetric() {
		if !hasLabels(metric.GetLabel(), labels) {
			continue
		}
		sum.Count += float64(metric.GetHistogram().GetSampleCount())
		for _, bucket := range metric.GetHistogram().GetBucket() {
			sum.Buckets[bucket.GetUpperBound()] += float64(bucket.GetCumulativeCount())
		}
	}
	return sum, nil
}

// Minus returns what was observed since an earlier one.
func (h Histogram) Minus(earlier Histogram) Histogram {
	since := Histogram{Count: h.Count - earlier.Count, Buckets: map[float64]float64{}}
	for bound, n := range h.Buckets {
		since.Buckets[bound] = n - earlier.Buckets[bound]
	}
	return since
}

// Within returns the share of what was observed that is at most a bound. It is an error if no bucket ends there, or if
// nothing was observed.
func (h Histogram) Within(bound float64) (float64, error) {
	n, is := h.Buckets[bound]
	if !is || h.Count == 0 {
		return 0, fmt.Errorf("%.0f observations, and none up to %v", h.Count, bound)
	}
	return n / h.Count, nil
}
