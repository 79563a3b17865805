package kube

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"k8s.io/client-go/rest"
)

func TestTheControllerDoesNotTakeTheKubeconfigOfAShell(t *testing.T) {
	path := filepath.Join(t.TempDir(), "config")
	require.NoError(t, os.WriteFile(path, []byte("apiVersion: v1\nkind: Config\n"), 0o600))
	t.Setenv("KUBERNETES_SERVICE_HOST", "")
	t.Setenv("KUBECONFIG", path)
	_, err := config(Options{})
	require.ErrorContains(t, err, "not running in a cluster")
}

func TestAGivenConfigurationIsLeftUnchanged(t *testing.T) {
	given := &rest.Config{Host: "https://a.example.com"}
	cfg, err := config(Options{Config: given, APIServer: "http://127.0.0.1:8001"})
	require.NoError(t, err)
	cfg.UserAgent = "changed"
	assert.Equal(t, &rest.Config{Host: "https://a.example.com"}, given)
	assert.Equal(t, given.Host, cfg.Host)
}
