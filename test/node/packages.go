package node

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"strings"
)

// ErrUnsupported says that this machine cannot run a node, and why.
var ErrUnsupported = errors.New("no node runs here")

// plugins is where Debian has the CNI plugins.
const plugins = "/usr/lib/cni"

// needs are the programs of a node that are not built from source, and the Debian packages they are in.
var needs = map[string]string{
	"containerd":        "containerd",
	"runc":              "runc",
	plugins + "/bridge": "containernetworking-plugins",
	"nft":               "nftables",
	"iptables":          "iptables",
	"conntrack":         "conntrack",
	"ip":                "iproute2",
	"busybox":           "busybox-static",
}

// Install makes sure that what a node needs is on this machine. It returns an ErrUnsupported where that cannot be.
func Install(ctx context.Context, progress io.Writer) error {
	if runtime.GOOS != "linux" {
		return fmt.Errorf("%w: it needs Linux", ErrUnsupported)
	}
	if os.Geteuid() != 0 {
		return fmt.Errorf("%w: it needs root, for network and mounts", ErrUnsupported)
	}
	var missing []string
	for program, debian := range needs {
		if _, err := exec.LookPath(program); err != nil {
			missing = append(missing, debian)
		}
	}
	if len(missing) == 0 {
		return nil
	}
	if _, err := exec.LookPath("apt-get"); err != nil {
		return fmt.Errorf("%w: %s missing, and there is no apt-get to install them with", ErrUnsupported, strings.Join(missing, ", "))
	}
	_, _ = fmt.Fprintf(progress, "node: installing %s with apt-get, for half a minute\n", strings.Join(missing, ", "))
	for _, args := range [][]string{
		{"update", "-qq"},
		append([]string{"install", "-qq", "-y", "--no-install-recommends"}, missing...),
	} {
		cmd := exec.CommandContext(ctx, "apt-get", args...) //nolint:gosec // packages of ours
		cmd.Env = append(os.Environ(), "DEBIAN_FRONTEND=noninteractive")
		if out, err := cmd.CombinedOutput(); err != nil {
			return fmt.Errorf("%w: apt-get %s: %w: %s", ErrUnsupported, args[0], err, out)
		}
	}
	return nil
}
