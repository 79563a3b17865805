package kit

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"

	"kube-aws-iam-controller/test/cluster"
)

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
