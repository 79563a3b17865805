package node

import (
	"context"
	"errors"
	"fmt"
	"io"

	"kube-aws-iam-controller/test/debian"
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
	if err := debian.Install(ctx, progress, needs); err != nil {
		return fmt.Errorf("%w: %w", ErrUnsupported, err)
	}
	return nil
}
