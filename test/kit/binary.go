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

// Plugin returns the path of the kubectl plugin's binary, which is built once in a process.
var Plugin = sync.OnceValues(func() (string, error) { return build(context.Background(), "kubectl-aws_iam", "./cmd/kubectl-aws_iam") })

// BuildController builds the controller and returns the path of its binary, which stays for the next build to replace.
func BuildController(ctx context.Context) (string, error) {
	return build(ctx, "kube-aws-iam-controller", ".")
}

// build builds a package of the repository as bin/NAME-test.
func build(ctx context.Context, name, pkg string) (string, error) {
	root, err := cluster.Root()
	if err != nil {
		return "", err
	}
	binary := filepath.Join(root, "bin", name+"-test")
	build := exec.CommandContext(ctx, "go", "build", "-o", binary, pkg) //nolint:gosec // a path of our own making
	build.Dir = root
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		return "", fmt.Errorf("build %s: %w\n%s", name, err, out)
	}
	return binary, nil
}
