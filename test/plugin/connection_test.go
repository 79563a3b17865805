package plugin

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"kube-aws-iam-controller/test/kit"
)

// commands are those that ask the cluster, with what they take.
var commands = map[string][]string{
	"status":       {"status"},
	"explain":      {"explain", "pod/app"},
	"check":        {"check"},
	"migrate":      {"migrate", "--from-cluster"},
	"trust-policy": {"trust-policy", "demo"},
	"bootstrap":    {"bootstrap", "--dry-run"},
	"uninstall":    {"uninstall", "--managed-roles=retain", "--dry-run"},
	"version":      {"version"},
}

// Whoever cannot reach the API server, or is nobody to it, gets one error, and not a conclusion about what was not seen.
func TestWithoutAnAPIServerThereIsOneError(t *testing.T) {
	control := shared.Get(t)
	for name, tt := range map[string]struct {
		kubeconfig string
		says       string
	}{
		"no kubeconfig": {"", "KUBECONFIG"},
		"nobody listens": {`
apiVersion: v1
kind: Config
clusters: [{name: c, cluster: {server: "https://127.0.0.1:1"}}]
contexts: [{name: c, context: {cluster: c}}]
current-context: c
`, "connection refused"},
		"a token that is none": {`
apiVersion: v1
kind: Config
clusters: [{name: c, cluster: {server: "` + control.AdminConfig().Host + `", insecure-skip-tls-verify: true}}]
users: [{name: u, user: {token: "s3cret-t0ken"}}]
contexts: [{name: c, context: {cluster: c, user: u}}]
current-context: c
`, "Unauthorized"},
		"no such context": {"apiVersion: v1\nkind: Config\ncurrent-context: gone\n", "gone"},
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "kubeconfig")
			if tt.kubeconfig != "" {
				require.NoError(t, os.WriteFile(path, []byte(tt.kubeconfig), 0o600))
			}
			for command, args := range commands {
				out, err := kit.RunPlugin(t.Context(), path, args...)
				require.NoError(t, err)
				assert.Equal(t, 1, out.Code, "%s: %s", command, out.Stdout+out.Stderr)
				if command != "version" {
					assert.Empty(t, out.Stdout, command)
				}
				assert.Contains(t, out.Stderr, "error: ", command)
				assert.Contains(t, out.Stderr, tt.says, command)
				assert.NotContains(t, out.Stderr, "s3cret-t0ken", command)
			}
		})
	}
}
