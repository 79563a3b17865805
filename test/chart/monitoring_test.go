package chart

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/yaml"
)

func TestMonitoringIsAddedAsAsked(t *testing.T) {
	made := render(t, `{clusterName: c, metrics: {serviceMonitor: {enabled: true, interval: 15s, labels: {release: prometheus}}}}`)
	monitor := text(t, made.Objects, "ServiceMonitor", Name)
	assert.Contains(t, monitor, "honorLabels: true\n    interval: 15s\n    port: http\n")
	assert.Contains(t, monitor, "jobLabel: app.kubernetes.io/name", "the alerts know the job by it")
	assert.Contains(t, monitor, "release: prometheus")
	made = render(t, `{clusterName: c, metrics: {authentication: {enabled: true}, serviceMonitor: {enabled: true}}}`)
	assert.Contains(t, text(t, made.Objects, "ServiceMonitor", Name), "port: https-metrics\n    scheme: https\n")
	made = render(t, `{clusterName: c, metrics: {podMonitor: {enabled: true}}}`)
	assert.Contains(t, text(t, made.Objects, "PodMonitor", Name), "podMetricsEndpoints:\n  - honorLabels: true\n    interval: 30s\n    port: http\n")
	for kind, value := range map[string]string{"PrometheusRule": "prometheusRule", "ConfigMap": "dashboards"} {
		object := map[string]string{"PrometheusRule": Name, "ConfigMap": "kube-aws-iam-controller-dashboard"}[kind]
		_, found := find(render(t, `{clusterName: c}`).Objects, kind, object)
		assert.False(t, found, "not unless asked")
		files := map[string]string{"files/monitoring/rules.yaml": "groups: []\n", "files/monitoring/dashboard.json": "{\n  \"title\": \"{{ x }}\"\n}\n"}
		assert.Contains(t, rendered(t, files, value), map[string]string{"PrometheusRule": "spec:\n  groups: []", "ConfigMap": `"title": "{{ x }}"`}[kind])
	}
}

// rendered is the chart with more files, and one of the values of metrics enabled.
func rendered(t *testing.T, files map[string]string, value string) string {
	t.Helper()
	made, err := Release{Namespace: "kube-system", Values: values(t, `{clusterName: c, metrics: {`+value+`: {enabled: true}}}`), Files: files}.Render(t.Context())
	require.NoError(t, err)
	var all strings.Builder
	for _, object := range made.Objects {
		text, err := yaml.Marshal(object.Object)
		require.NoError(t, err)
		all.Write(text)
		if object.GetName() == "kube-aws-iam-controller-dashboard" {
			content, _, _ := unstructured.NestedString(object.Object, "data", "kube-aws-iam-controller.json")
			all.WriteString(content)
		}
	}
	return all.String()
}
