package monitoring

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"kube-aws-iam-controller/test/cluster"
)

// errNoDebian says that this machine has neither the programs nor what brings them.
var errNoDebian = errors.New("there is no prometheus here, and no Debian to get it from")

// prometheusDir returns the directory of Debian's prometheus and promtool. The package is unpacked, not installed: that
// needs no root, and starts no service.
var prometheusDir = sync.OnceValues(func() (string, error) {
	ctx := context.Background()
	if path, err := exec.LookPath("promtool"); err == nil {
		return filepath.Dir(path), nil
	}
	root, err := cluster.Root()
	if err != nil {
		return "", err
	}
	into := filepath.Join(root, "bin", "prometheus")
	programs := filepath.Join(into, "usr", "bin")
	if _, err = os.Stat(filepath.Join(programs, "promtool")); err == nil {
		return programs, nil
	}
	if _, err = exec.LookPath("apt-get"); err != nil {
		return "", errNoDebian
	}
	return programs, unpack(ctx, into)
})

// unpack brings the package into a directory that is not there yet. Packages of tests that do so at once get the same.
func unpack(ctx context.Context, into string) error {
	if err := os.MkdirAll(filepath.Dir(into), 0o750); err != nil {
		return err
	}
	dir, err := os.MkdirTemp(filepath.Dir(into), "prometheus-")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	if err = in(ctx, dir, "apt-get", "download", "-qq", "prometheus"); err != nil {
		// The lists of packages are old, or there are none.
		if err = errors.Join(in(ctx, dir, "apt-get", "update", "-qq"), in(ctx, dir, "apt-get", "download", "-qq", "prometheus")); err != nil {
			return err
		}
	}
	packages, err := filepath.Glob(filepath.Join(dir, "prometheus_*.deb"))
	if err != nil || len(packages) != 1 {
		return fmt.Errorf("apt-get downloaded %v: %w", packages, err)
	}
	unpacked := filepath.Join(dir, "unpacked")
	if err = in(ctx, dir, "dpkg-deb", "-x", packages[0], unpacked); err != nil {
		return err
	}
	if err = os.Rename(unpacked, into); errors.Is(err, os.ErrExist) {
		return nil
	}
	return err
}

func in(ctx context.Context, dir, program string, args ...string) error {
	cmd := exec.CommandContext(ctx, program, args...)
	cmd.Dir = dir
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("%s %v: %w: %s", program, args, err, out)
	}
	return nil
}

// program returns the path of prometheus or promtool.
func program(t *testing.T, name string) string {
	t.Helper()
	dir, err := prometheusDir()
	if errors.Is(err, errNoDebian) {
		t.Skip(err)
	}
	require.NoError(t, err)
	return filepath.Join(dir, name)
}
