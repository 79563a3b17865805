package upgrade

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"kube-aws-iam-controller/test/cluster"
)

// previous is the commit of the version that installations are upgraded from.
const previous = "f7a7243b4e2e5e7a109503157fba574503a40803"

// A version is a tree of sources and the controller that was built from it.
type version struct{ root, binary string }

// thePrevious checks out the previous version and builds it, once for all runs. It needs the history of the repository.
func thePrevious(t *testing.T) version {
	t.Helper()
	root, err := cluster.Root()
	require.NoError(t, err)
	if exec.CommandContext(t.Context(), "git", "-C", root, "cat-file", "-e", previous+"^{commit}").Run() != nil {
		t.Skipf("the version before is commit %s, which is not in this checkout: fetch the whole history (git fetch --unshallow)", previous)
	}
	dir := filepath.Join(root, "test", ".bin", "previous-"+previous[:12])
	built := version{root: dir, binary: filepath.Join(dir, "controller")}
	if _, err = os.Stat(built.binary); err == nil {
		return built
	}
	require.NoError(t, os.MkdirAll(dir, 0o750))
	command(t, root, "bash", "-c", `set -euo pipefail; git archive "$1" manifests examples internal cmd go.mod go.sum $(git ls-tree --name-only "$1" | grep '\.go$') | tar -x -C "$2"`, "-", previous, dir)
	command(t, dir, "go", "build", "-o", built.binary, ".")
	return built
}

func command(t *testing.T, dir, name string, args ...string) {
	t.Helper()
	c := exec.CommandContext(t.Context(), name, args...)
	c.Dir, c.Env = dir, append(os.Environ(), "CGO_ENABLED=0", "GOWORK=off")
	out, err := c.CombinedOutput()
	require.NoError(t, err, "%s", out)
}
