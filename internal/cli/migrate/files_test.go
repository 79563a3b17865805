package migrate

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

const written = `{"apiVersion":"v1","kind":"Pod","metadata":{"name":"app","namespace":"team-a","annotations":{"iam.amazonaws.com/role":"app"}},"spec":{"containers":[]}}` + "\n"

func writeTo(t *testing.T, name, text string) string {
	t.Helper()
	require.NoError(t, os.WriteFile(name, []byte(text), 0o600))
	return name
}

func TestALinkToADirectoryIsADirectory(t *testing.T) {
	dir := t.TempDir()
	writeTo(t, filepath.Join(dir, "pod.json"), written)
	link := filepath.Join(t.TempDir(), "manifests")
	require.NoError(t, os.Symlink(dir, link))
	stdout, stderr, code := migrate(t, "-f", link)
	require.Zero(t, code, stderr)
	assert.Contains(t, stdout, "kind: ServiceAccount")
}

func TestTheCurrentDirectoryIsOne(t *testing.T) {
	t.Chdir(t.TempDir())
	writeTo(t, "pod.json", written)
	for _, name := range []string{".", "./"} {
		stdout, stderr, code := migrate(t, "-f", name)
		require.Zero(t, code, stderr)
		assert.Contains(t, stdout, "kind: ServiceAccount", name)
	}
}

func TestAFileThatWasNotReadIsNotOverwritten(t *testing.T) {
	dir := t.TempDir()
	pod := writeTo(t, filepath.Join(dir, "pod.json"), written)
	accounts := writeTo(t, filepath.Join(dir, "pod.serviceaccounts.yaml"), "# somebody's own\n")
	_, stderr, code := migrate(t, "-f", pod, "--in-place")
	assert.Equal(t, 1, code)
	assert.Contains(t, stderr, accounts+" exists already, with other content: give it with --filename as well")
	there, err := os.ReadFile(accounts)
	require.NoError(t, err)
	assert.Equal(t, "# somebody's own\n", string(there))
	there, err = os.ReadFile(pod)
	require.NoError(t, err)
	assert.True(t, bytes.Equal([]byte(written), there), "nothing is written, or all: %s", there)

	require.NoError(t, os.Remove(accounts))
	for range 2 { // the second time it has the same content
		_, stderr, code = migrate(t, "-f", pod, "--in-place")
		require.Zero(t, code, stderr)
	}
}

func TestKindsAreNamedAsKubectlTakesThem(t *testing.T) {
	pod := writeTo(t, filepath.Join(t.TempDir(), "pod.json"), written)
	stdout, _, _ := migrate(t, "-f", pod, "--only", "serviceaccount/app")
	assert.Contains(t, stdout, "kind: ServiceAccount")
	assert.NotContains(t, stdout, `"kind":"Pod"`)
	stdout, _, _ = migrate(t, "-f", pod, "--only", "serviceaccount/other")
	assert.Empty(t, stdout)
}
