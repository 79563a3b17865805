package integration

import (
	"errors"
	"os"
	"os/exec"

	"github.com/stretchr/testify/require"

	"kube-aws-iam-controller/test/cluster"
	"kube-aws-iam-controller/test/kit"
)

// plugin runs a command of the kubectl plugin with nothing but env, and returns what it printed and its exit code. The log
// has it, too, to be looked through for credentials.
func (w *world) plugin(env []string, args ...string) (string, int) {
	w.t.Helper()
	binary, err := kit.Plugin()
	require.NoError(w.t, err)
	cmd := exec.CommandContext(w.t.Context(), binary, args...)
	cmd.Env = append([]string{"HOME=/nonexistent"}, env...)
	out, err := cmd.CombinedOutput()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		require.NoError(w.t, err)
	}
	log, err := os.OpenFile(w.log, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	require.NoError(w.t, err)
	_, err = log.Write(out)
	require.NoError(w.t, errors.Join(err, log.Close()))
	return string(out), cmd.ProcessState.ExitCode()
}

// startPlugin is plugin for a command that is interrupted, or waited for elsewhere.
func (w *world) startPlugin(env []string, args ...string) *cluster.Process {
	w.t.Helper()
	binary, err := kit.Plugin()
	require.NoError(w.t, err)
	process, err := cluster.StartProcess(cluster.Command{
		Name: "kubectl-aws_iam", Path: binary, Args: args, Env: append([]string{"HOME=/nonexistent"}, env...), Log: w.log,
	})
	require.NoError(w.t, err)
	w.t.Cleanup(process.Kill)
	return process
}
