package monitoring

import (
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"sigs.k8s.io/yaml"

	"kube-aws-iam-controller/test/cluster"
)

// component is what kustomize installs. It loads no files from outside its directory, so it has copies.
const component = "manifests/components/monitoring/"

var update = flag.Bool("update", false, "write what the component manifests/components/monitoring has of the alerts and the dashboard")

// prometheusRule returns the alerts as the Prometheus operator takes them.
func prometheusRule(rules string) string {
	_, groups, _ := strings.Cut(rules, "\ngroups:\n")
	var b strings.Builder
	b.WriteString(`# Made from ` + source + `rules.yaml
# by: make alerts
apiVersion: monitoring.coreos.com/v1
kind: PrometheusRule
metadata:
  name: kube-aws-iam-controller
  namespace: kube-system
  labels: {app.kubernetes.io/name: kube-aws-iam-controller}
spec:
  groups:
`)
	for line := range strings.Lines(groups) {
		if strings.TrimSpace(line) != "" {
			line = "  " + line
		}
		b.WriteString(line)
	}
	return b.String()
}

func TestTheComponentHasTheAlertsAndTheDashboardOfTheChart(t *testing.T) {
	root, err := cluster.Root()
	require.NoError(t, err)
	for name, want := range map[string]string{
		"prometheusrule.yaml": prometheusRule(read(t, source+"rules.yaml")),
		"dashboard.json":      read(t, source+"dashboard.json"),
	} {
		if *update {
			require.NoError(t, os.WriteFile(filepath.Join(root, component, name), []byte(want), 0o600))
		}
		assert.Equal(t, want, read(t, component+name), "%s is not up to date: make alerts", name)
	}
	var object struct {
		Spec ruleFile `json:"spec"`
	}
	require.NoError(t, yaml.Unmarshal([]byte(read(t, component+"prometheusrule.yaml")), &object))
	assert.Equal(t, rules(t), object.Spec)
}

// installed is as much of what kustomize makes as is looked at.
type installed struct {
	Kind     string
	Metadata struct {
		Name, Namespace string
		Labels          map[string]string
	}
	Data map[string]string
	Spec struct {
		Selector map[string]any
		JobLabel string
		Ports    []struct{ Name string }
		// Endpoints are those of a ServiceMonitor.
		Endpoints []struct {
			Port, Scheme, BearerTokenFile string
			HonorLabels                   bool
			TLSConfig                     struct{ InsecureSkipVerify bool }
		}
	}
}

// build returns what an installation with components consists of, by kind and name.
func build(t *testing.T, names ...string) map[string]installed {
	t.Helper()
	root, err := cluster.Root()
	require.NoError(t, err)
	dir := t.TempDir()
	to := func(path string) string {
		relative, err := filepath.Rel(dir, filepath.Join(root, "manifests", path))
		require.NoError(t, err)
		return relative
	}
	text := "resources: [" + to("base") + "]\ncomponents:\n"
	for _, name := range names {
		text += "  - " + to("components/"+name) + "\n"
	}
	require.NoError(t, os.WriteFile(filepath.Join(dir, "kustomization.yaml"), []byte(text), 0o600))
	objects := map[string]installed{}
	for document := range strings.SplitSeq(kustomize(t, dir), "\n---\n") {
		var o installed
		require.NoError(t, yaml.Unmarshal([]byte(document), &o))
		objects[o.Kind+"/"+o.Metadata.Name] = o
	}
	return objects
}

func TestTheServiceMonitorFindsTheMetricsWithAndWithoutAuthentication(t *testing.T) {
	for components, secure := range map[string]bool{"monitoring": false, "metrics-authentication monitoring": true, "webhook monitoring": false} {
		objects := build(t, strings.Fields(components)...)
		monitor, service := objects["ServiceMonitor/kube-aws-iam-controller"], objects["Service/kube-aws-iam-controller"]
		assert.Equal(t, service.Metadata.Namespace, monitor.Metadata.Namespace)
		assert.Equal(t, "app.kubernetes.io/name", monitor.Spec.JobLabel, "the rules have its value for the job")
		assert.Equal(t, "kube-aws-iam-controller", service.Metadata.Labels["app.kubernetes.io/name"])
		assert.Equal(t, map[string]any{"matchLabels": map[string]any{"app.kubernetes.io/name": "kube-aws-iam-controller"}}, monitor.Spec.Selector)
		scraped := 0
		for name, o := range objects {
			for _, port := range o.Spec.Ports {
				for _, endpoint := range monitor.Spec.Endpoints {
					if endpoint.Port != port.Name || !strings.HasPrefix(name, "Service/") {
						continue
					}
					scraped++
					assert.Equal(t, "Service/kube-aws-iam-controller", name, components)
					assert.Equal(t, secure, endpoint.Scheme == "https", components)
					assert.Equal(t, secure, endpoint.BearerTokenFile != "", components)
					assert.True(t, endpoint.HonorLabels, "the namespace of an identity is its own")
				}
			}
		}
		assert.Equal(t, 1, scraped, components)
	}
}

func TestTheDashboardIsFoundByGrafana(t *testing.T) {
	dashboard := build(t, "monitoring")["ConfigMap/kube-aws-iam-controller-dashboard"]
	assert.Equal(t, "1", dashboard.Metadata.Labels["grafana_dashboard"])
	assert.Equal(t, "kube-system", dashboard.Metadata.Namespace)
	assert.Equal(t, read(t, source+"dashboard.json"), dashboard.Data["kube-aws-iam-controller.json"])
}
