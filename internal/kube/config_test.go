package kube

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

const kubeconfig = `
apiVersion: v1
kind: Config
current-context: a
contexts: [{name: a, context: {cluster: a, user: a}}]
clusters: [{name: a, cluster: {server: "https://a.example.com"}}]
users: [{name: a, user: {token: t}}]
`

func TestUsersKubeconfigIsFoundAsKubectlDoes(t *testing.T) {
	path := filepath.Join(t.TempDir(), "config")
	require.NoError(t, os.WriteFile(path, []byte(kubeconfig), 0o600))
	t.Setenv("KUBERNETES_SERVICE_HOST", "")
	t.Setenv("KUBECONFIG", path)
	_, err := config(Options{})
	require.ErrorContains(t, err, "not running in a cluster", "the controller does not take whatever a shell has")
	cfg, err := config(Options{ByUser: true})
	require.NoError(t, err)
	assert.Equal(t, "https://a.example.com", cfg.Host)
	cfg, err = config(Options{ByUser: true, APIServer: "http://127.0.0.1:8001"})
	require.NoError(t, err)
	assert.Equal(t, "http://127.0.0.1:8001", cfg.Host)

	t.Setenv("KUBECONFIG", filepath.Join(t.TempDir(), "none"))
	_, err = config(Options{ByUser: true})
	require.ErrorContains(t, err, "read kubeconfig: ")
}
