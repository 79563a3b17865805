package monitoring

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"kube-aws-iam-controller/test/kit"
)

// documentedConfig is what docs/operations.md has for a Prometheus without the operator.
func documentedConfig(t *testing.T) string {
	t.Helper()
	_, section, found := strings.Cut(read(t, "docs/operations.md"), "\n### Without the operator\n")
	require.True(t, found)
	_, config, found := strings.Cut(section, "```yaml\n")
	require.True(t, found)
	config, _, found = strings.Cut(config, "```\n")
	require.True(t, found)
	return config
}

// discovered is what Prometheus knows of replicas and of other endpoints in the namespace. Debian builds Prometheus without
// the discovery of Kubernetes, so this stands in for it, with the labels of
// https://prometheus.io/docs/prometheus/latest/configuration/configuration/#endpointslice.
func discovered() string {
	configs := "    static_configs:\n"
	for _, found := range []struct{ address, service, port string }{
		{"10.0.0.1:8080", "kube-aws-iam-controller", "http"},
		{"10.0.0.1:8443", "kube-aws-iam-controller-webhook", "https"},
		{"10.0.0.2:8080", "another", "http"},
	} {
		configs += fmt.Sprintf(`      - targets: [%q]
        labels:
          __meta_kubernetes_namespace: kube-system
          __meta_kubernetes_pod_name: kube-aws-iam-controller-0
          __meta_kubernetes_service_name: %s
          __meta_kubernetes_endpointslice_port_name: %s
`, found.address, found.service, found.port)
	}
	return configs
}

func TestTheDocumentedConfigurationScrapesTheReplicas(t *testing.T) {
	program(t, "prometheus")
	dir := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(dir, "rules.yaml"), []byte(read(t, source+"rules.yaml")), 0o600))
	config, discovery := documentedConfig(t), regexp.MustCompile(`(?s)    kubernetes_sd_configs:\n.*?    relabel_configs:\n`)
	require.Regexp(t, discovery, config)
	p := startPrometheus(t, dir, discovery.ReplaceAllString(config, discovered()+"    relabel_configs:\n"))
	var found struct {
		ActiveTargets []struct {
			Labels map[string]string `json:"labels"`
		} `json:"activeTargets"`
	}
	require.NoError(t, kit.Eventually(t.Context(), kit.Within, func(ctx context.Context) error {
		err := p.get(ctx, "/api/v1/targets?state=active", &found)
		if err == nil && len(found.ActiveTargets) == 0 {
			err = errors.New("it scrapes nothing")
		}
		return err
	}))
	require.Len(t, found.ActiveTargets, 1)
	assert.Equal(t, map[string]string{
		"job": "kube-aws-iam-controller", "namespace": "kube-system", "pod": "kube-aws-iam-controller-0", "instance": "10.0.0.1:8080",
	}, found.ActiveTargets[0].Labels)
	evaluated, err := p.rules(t.Context())
	require.NoError(t, err)
	assert.Len(t, evaluated, len(rules(t).rules()))
}
