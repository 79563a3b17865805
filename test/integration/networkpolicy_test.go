package integration

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/yaml"

	"kube-aws-iam-controller/test/cluster"
)

// documented returns the first block of YAML of a page after a heading.
func documented(t *testing.T, page, heading string) string {
	t.Helper()
	root, err := cluster.Root()
	require.NoError(t, err)
	text, err := os.ReadFile(filepath.Join(root, "docs", page))
	require.NoError(t, err)
	_, text2, found := strings.Cut(string(text), heading)
	require.True(t, found)
	_, block, found := strings.Cut(text2, "```yaml\n")
	require.True(t, found)
	block, _, _ = strings.Cut(block, "```")
	return block
}

func TestTheMetricsArePatchedOntoThoseWhoReadThem(t *testing.T) {
	t.Parallel()
	control := shared.Get(t)
	root, err := cluster.Root()
	require.NoError(t, err)
	for _, components := range []string{"", "webhook", "metrics-authentication"} {
		t.Run("component "+components, func(t *testing.T) {
			namespace, dir := control.NewNamespace(t), t.TempDir()
			text := fmt.Sprintf("namespace: %s\nresources: [%q]\n", namespace, relative(t, dir, root, "manifests/controller"))
			if components != "" {
				text += fmt.Sprintf("components: [%q]\n", relative(t, dir, root, "manifests/components/"+components))
			}
			text += documented(t, "security.md", "### Limiting access to the metrics port")
			require.NoError(t, os.WriteFile(filepath.Join(dir, "kustomization.yaml"), []byte(text), 0o600))
			rendered, err := control.Kubectl(t.Context(), "kustomize", dir)
			require.NoError(t, err)
			for document := range strings.SplitSeq(rendered, "---\n") {
				if strings.Contains(document, "kind: NetworkPolicy") {
					_, err = control.KubectlInput(t.Context(), strings.NewReader(document), "apply", "--validate=strict", "-f", "-")
					require.NoError(t, err)
				}
			}
			applied, err := control.Client().NetworkingV1().NetworkPolicies(namespace).Get(t.Context(), "kube-aws-iam-controller", metav1.GetOptions{})
			require.NoError(t, err)
			for _, rule := range applied.Spec.Ingress {
				for _, port := range rule.Ports {
					assert.Equal(t, port.Port.String() != "webhook", len(rule.From) == 1, "port %s", port.Port)
				}
			}
		})
	}
}

func TestTheExampleAgainstTheNodesMetadataIsWhatTheAPIServerKeeps(t *testing.T) {
	t.Parallel()
	control := shared.Get(t)
	root, err := cluster.Root()
	require.NoError(t, err)
	namespace, path := control.NewNamespace(t), filepath.Join(root, "examples", "node-metadata", "networkpolicy.yaml")
	_, err = control.Kubectl(t.Context(), "apply", "--validate=strict", "-n", namespace, "-f", path)
	require.NoError(t, err)
	text, err := os.ReadFile(path)
	require.NoError(t, err)
	var written networkingv1.NetworkPolicy
	require.NoError(t, yaml.UnmarshalStrict(text, &written))
	kept, err := control.Client().NetworkingV1().NetworkPolicies(namespace).Get(t.Context(), written.Name, metav1.GetOptions{})
	require.NoError(t, err)
	assert.Equal(t, written.Spec, kept.Spec)
}

func relative(t *testing.T, dir, root, path string) string {
	t.Helper()
	found, err := filepath.Rel(dir, filepath.Join(root, path))
	require.NoError(t, err)
	return found
}
