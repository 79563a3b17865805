package kit

import (
	"bytes"
	"context"
	"errors"
	"os"
	"os/exec"
)

// Printed is what a run of the plugin printed, and its exit code.
type Printed struct {
	Stdout, Stderr string
	Code           int
}

// RunPlugin runs the plugin with a kubeconfig. Any exit code is an answer.
func RunPlugin(ctx context.Context, kubeconfig string, args ...string) (Printed, error) {
	var stdout, stderr bytes.Buffer
	cmd, err := PluginCommand(ctx, kubeconfig, args...)
	if err != nil {
		return Printed{}, err
	}
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	err = cmd.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		return Printed{}, err
	}
	return Printed{stdout.String(), stderr.String(), cmd.ProcessState.ExitCode()}, nil
}

// PluginCommand is the plugin with a kubeconfig, not started yet.
func PluginCommand(ctx context.Context, kubeconfig string, args ...string) (*exec.Cmd, error) {
	binary, err := Plugin()
	if err != nil {
		return nil, err
	}
	cmd := exec.CommandContext(ctx, binary, args...) //nolint:gosec // our own program
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=/nonexistent", "KUBECONFIG=" + kubeconfig}
	return cmd, nil
}
