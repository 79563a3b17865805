package cluster_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"kube-aws-iam-controller/test/cluster"
)

// orphanLog makes this test binary start a process with that log and hang, to be killed.
const orphanLog = "CLUSTER_TEST_ORPHAN_LOG"

func TestProcessReportsExitCodeAndOutput(t *testing.T) {
	process := shell(t, "echo $GREETING; echo oops >&2; exit 3", "GREETING=hello")
	code, err := process.Wait(t.Context())
	require.NoError(t, err)
	assert.Equal(t, 3, code)
	assert.False(t, process.Running())
	out, err := process.Output()
	require.NoError(t, err)
	assert.Equal(t, "hello\noops\n", out)
	assert.NoError(t, process.Signal(syscall.SIGTERM), "signalling an ended process")
}

func TestProcessStopsAsItLikes(t *testing.T) {
	process := shell(t, "trap 'exit 7' TERM; echo ready; while :; do sleep 0.05; done")
	waitForOutput(t, process, "ready")
	code, err := process.Stop(t.Context())
	require.NoError(t, err)
	assert.Equal(t, 7, code)
}

func TestProcessThatDoesNotStopIsKilled(t *testing.T) {
	process := shell(t, "trap '' TERM; echo ready; while :; do sleep 0.05; done")
	waitForOutput(t, process, "ready")
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	_, err := process.Stop(ctx)
	require.ErrorIs(t, err, context.DeadlineExceeded)
	assert.False(t, process.Running())
	assert.Equal(t, -1, process.ExitCode())
}

func TestKillReachesChildren(t *testing.T) {
	process := shell(t, "sleep 300 & echo $!; wait")
	child := pidIn(t, process)
	process.Kill()
	requireGone(t, child)
}

func TestStartOfMissingProgramIsAnError(t *testing.T) {
	_, err := cluster.StartProcess(cluster.Command{Name: "ghost", Path: "/does/not/exist", Log: filepath.Join(t.TempDir(), "log")})
	require.ErrorIs(t, err, os.ErrNotExist)
	assert.ErrorContains(t, err, "start ghost")
}

func TestKilledStarterLeavesNothing(t *testing.T) {
	if log := os.Getenv(orphanLog); log != "" {
		_, err := cluster.StartProcess(cluster.Command{Name: "orphan", Path: "sh", Args: []string{"-c", "echo $$; exec sleep 300"}, Log: log})
		require.NoError(t, err)
		select {}
	}
	if runtime.GOOS != "linux" {
		t.Skip("only Linux ties the life of a process to that of its parent")
	}
	log := filepath.Join(t.TempDir(), "orphan.log")
	starter, err := cluster.StartProcess(cluster.Command{
		Name: "starter",
		Path: os.Args[0],
		Args: []string{"-test.run=^" + t.Name() + "$"},
		Env:  append(os.Environ(), orphanLog+"="+log),
		Log:  filepath.Join(t.TempDir(), "starter.log"),
	})
	require.NoError(t, err)
	t.Cleanup(starter.Kill)
	var orphan int
	require.Eventually(t, func() bool {
		content, _ := os.ReadFile(log)
		orphan, err = strconv.Atoi(strings.TrimSpace(string(content)))
		return err == nil
	}, patience, interval)
	require.NoError(t, syscall.Kill(orphan, 0), "it runs")

	starter.Kill()
	requireGone(t, orphan)
}

func shell(t *testing.T, script string, env ...string) *cluster.Process {
	t.Helper()
	process, err := cluster.StartProcess(cluster.Command{
		Name: "script",
		Path: "sh",
		Args: []string{"-c", script},
		Env:  append(os.Environ(), env...),
		Log:  filepath.Join(t.TempDir(), "log"),
	})
	require.NoError(t, err)
	t.Cleanup(process.Kill)
	return process
}

func waitForOutput(t *testing.T, process *cluster.Process, text string) {
	t.Helper()
	require.Eventually(t, func() bool {
		out, err := process.Output()
		return err == nil && strings.Contains(out, text)
	}, patience, interval)
}

func pidIn(t *testing.T, process *cluster.Process) int {
	t.Helper()
	waitForOutput(t, process, "\n")
	out, err := process.Output()
	require.NoError(t, err)
	pid, err := strconv.Atoi(strings.TrimSpace(out))
	require.NoError(t, err)
	require.NoError(t, syscall.Kill(pid, 0), "it runs")
	return pid
}

// requireGone accepts a zombie: whether anybody reaps an orphan is up to the machine's first process.
func requireGone(t *testing.T, pid int) {
	t.Helper()
	require.Eventually(t, func() bool {
		stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
		zombie := err == nil && strings.Contains(string(stat), ") Z ")
		return zombie || syscall.Kill(pid, 0) != nil
	}, patience, interval, "process %d is left", pid)
}
