package cluster

import (
	"bytes"
	"context"
	"fmt"

	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
)

// requestMetric counts what the API server has answered.
const requestMetric = "apiserver_request_total"

// Request is a kind of request, as the API server's own metrics tell them apart. They do not say who asked; the audit
// log does.
type Request struct {
	// Verb is GET, LIST, WATCH, POST, PUT, PATCH, APPLY, DELETE or DELETECOLLECTION.
	Verb string
	// Group is empty for the core group.
	Group       string
	Resource    string
	Subresource string
	// Scope is "resource" for one object, else "namespace" or "cluster".
	Scope string
}

// RequestCounts returns how many requests of each kind the API server has answered since it was started. A watch
// counts when it ends. An informer of today's client-go begins with a watch that carries the initial objects, and
// only falls back to a LIST.
func (a *Access) RequestCounts(ctx context.Context) (map[Request]float64, error) {
	families, err := a.metrics(ctx)
	if err != nil {
		return nil, err
	}
	family, ok := families[requestMetric]
	if !ok {
		return nil, fmt.Errorf("metrics of the API server: no %s", requestMetric)
	}
	counts := map[Request]float64{}
	for _, metric := range family.GetMetric() {
		counts[requestOf(metric.GetLabel())] += metric.GetCounter().GetValue()
	}
	return counts, nil
}

// requestOf leaves out the labels that only split one kind of request, such as the answer's code.
func requestOf(pairs []*dto.LabelPair) Request {
	labels := map[string]string{}
	for _, pair := range pairs {
		labels[pair.GetName()] = pair.GetValue()
	}
	return Request{
		Verb:        labels["verb"],
		Group:       labels["group"],
		Resource:    labels["resource"],
		Subresource: labels["subresource"],
		Scope:       labels["scope"],
	}
}

// Metric returns the sum of the API server's metrics of a name and with labels; of a histogram, how often it was observed.
// It is 0 where there is none, since a metric begins when it is first counted.
func (a *Access) Metric(ctx context.Context, name string, labels map[string]string) (sum float64, err error) {
	families, err := a.metrics(ctx)
	if err != nil {
		return 0, err
	}
	for _, metric := range families[name].GetMetric() {
		if hasLabels(metric.GetLabel(), labels) {
			sum += metric.GetCounter().GetValue() + metric.GetGauge().GetValue() + float64(metric.GetHistogram().GetSampleCount())
		}
	}
	return sum, nil
}

func hasLabels(pairs []*dto.LabelPair, wanted map[string]string) bool {
	found := 0
	for _, pair := range pairs {
		if value, is := wanted[pair.GetName()]; is && value == pair.GetValue() {
			found++
		}
	}
	return found == len(wanted)
}

func (a *Access) metrics(ctx context.Context) (map[string]*dto.MetricFamily, error) {
	text, err := a.client.CoreV1().RESTClient().Get().AbsPath("/metrics").DoRaw(ctx)
	if err != nil {
		return nil, fmt.Errorf("metrics of the API server: %w", err)
	}
	parser := expfmt.NewTextParser(model.UTF8Validation)
	families, err := parser.TextToMetricFamilies(bytes.NewReader(text))
	if err != nil {
		return nil, fmt.Errorf("metrics of the API server: %w", err)
	}
	return families, nil
}
