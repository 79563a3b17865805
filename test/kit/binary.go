package kit

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"

	"kube-aws-iam-controller/test/cluster"
)

// Binary returns the path of the controller's binary, which is built once in a process.
var Binary = sync.OnceValues(func() (string, error) { return BuildController(context.Background()) })

// BuildController builds the controller and returns the path of its binary, which stays for the next build to replace.
func BuildController(ctx context.Context) (string, error) {
	root, err := cluster.Root()
	if err != nil {
		return "", err
	}
	binary := filepath.Join(root, "bin", "kube-aws-iam-controller-test")
	build := exec.CommandContext(ctx, "go", "build", "-o", binary, ".") //nolint:gosec // a path of our own making
	build.Dir = root
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		return "", fmt.Errorf("build the controller: %w\n%s", err, out)
	}
	return binary, nil
}
