package admission

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"kube-aws-iam-controller/test/cluster"
)

func TestTheAPIServerAcceptsTheExamples(t *testing.T) {
	control := shared.Get(t)
	root, err := cluster.Root()
	require.NoError(t, err)
	_, err = control.Kubectl(t.Context(), "apply", "--dry-run=server", "-k", filepath.Join(root, "examples", "install"))
	require.NoError(t, err)
	// Its namespace is the reader's to make, and the API server would miss it.
	dir := t.TempDir()
	example, err := filepath.Rel(dir, filepath.Join(root, "examples", "install-namespaced"))
	require.NoError(t, err)
	text := "namespace: " + control.NewNamespace(t) + "\nresources: [" + example + "]\n"
	require.NoError(t, os.WriteFile(filepath.Join(dir, "kustomization.yaml"), []byte(text), 0o600))
	_, err = control.Kubectl(t.Context(), "apply", "--dry-run=server", "-k", dir)
	require.NoError(t, err)
	deployments, err := filepath.Glob(filepath.Join(root, "examples", "deployments", "*.yaml"))
	require.NoError(t, err)
	assert.Len(t, deployments, 5)
	for _, path := range append(deployments, filepath.Join(root, "examples", "pod.yaml"), filepath.Join(root, "examples", "awsiamrole-pod.yaml")) {
		// Their namespace is the reader's to make.
		_, err = control.Kubectl(t.Context(), "apply", "--dry-run=client", "--validate=strict", "-f", path)
		assert.NoError(t, err, path)
	}
}
