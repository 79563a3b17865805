package node

import (
	"context"
	"fmt"
	"os/exec"
	"strings"
)

// The pods' network is a bridge of ours on the host. Pods reach the host, and so the API server, by the bridge's own
// address.
const (
	bridge = "kaic-e2e"
	// Address is the host's in the pods' network.
	Address = "10.88.0.1"
	subnet  = "10.88.0.0/16"
	// hardware is the bridge's own address. Without one it has the lowest of its ports', which changes as pods come and go,
	// and others wait for its old one until they ask again.
	hardware = "0a:58:0a:58:00:01"
)

// Bridge makes the network. Until CloseBridge the host has the Address.
func Bridge(ctx context.Context) error {
	_ = CloseBridge(ctx) // what a killed run left
	for _, args := range []string{
		"link add " + bridge + " address " + hardware + " type bridge",
		"addr add " + Address + "/16 dev " + bridge,
		"link set " + bridge + " up",
	} {
		if err := command(ctx, "ip", strings.Fields(args)...); err != nil {
			return fmt.Errorf("%w: %w", ErrUnsupported, err)
		}
	}
	return nil
}

// CloseBridge takes the network away.
func CloseBridge(ctx context.Context) error { return command(ctx, "ip", "link", "del", bridge) }

func command(ctx context.Context, path string, args ...string) error {
	out, err := exec.CommandContext(ctx, path, args...).CombinedOutput() //nolint:gosec // programs of the node
	if err != nil {
		return fmt.Errorf("%s %s: %w: %s", path, strings.Join(args, " "), err, strings.TrimSpace(string(out)))
	}
	return nil
}
