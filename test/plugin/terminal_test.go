package plugin

import (
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// onTerminal runs a command on a terminal of its own until its program prints a word, types keys, and ends it by SIGTERM
// once the program has printed another. The plugin itself stands still meanwhile, so that the program has dealt with what
// the terminal sends when the plugin gets it. It returns what was printed, and the exit code.
func (w *explainWorld) onTerminal(t *testing.T, cmd *exec.Cmd, before, keys, after string) (string, int) {
	t.Helper()
	master, err := os.OpenFile("/dev/ptmx", os.O_RDWR, 0)
	require.NoError(t, err)
	defer func() { _ = master.Close() }()
	require.NoError(t, unix.IoctlSetPointerInt(int(master.Fd()), unix.TIOCSPTLCK, 0))
	number, err := unix.IoctlGetInt(int(master.Fd()), unix.TIOCGPTN)
	require.NoError(t, err)
	terminal, err := os.OpenFile(fmt.Sprintf("/dev/pts/%d", number), os.O_RDWR|syscall.O_NOCTTY, 0)
	require.NoError(t, err)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = terminal, terminal, terminal
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true}
	defer listens()()
	require.NoError(t, cmd.Start())
	defer time.AfterFunc(within, func() { _ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }).Stop()
	require.NoError(t, terminal.Close())

	var printed strings.Builder
	until := func(word string) {
		t.Helper()
		buffer := make([]byte, 1024)
		for !strings.Contains(printed.String(), word) {
			n, failed := master.Read(buffer)
			require.NoError(t, failed, printed.String())
			printed.Write(buffer[:n])
		}
	}
	until(before)
	require.NoError(t, cmd.Process.Signal(syscall.SIGSTOP))
	_, err = master.WriteString(keys)
	require.NoError(t, err)
	until(after)
	require.NoError(t, cmd.Process.Signal(syscall.SIGCONT))
	require.NoError(t, cmd.Process.Signal(syscall.SIGTERM))
	until("terminated")
	_ = cmd.Wait()
	return printed.String(), cmd.ProcessState.ExitCode()
}
