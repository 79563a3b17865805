//go:build !windows

package exec

import (
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

// passedOn are the signals that are passed on to the program. Those of job control stop and
// continue both, because the terminal and the shell send them to the whole process group.
var passedOn = []os.Signal{syscall.SIGHUP, syscall.SIGINT, syscall.SIGQUIT, syscall.SIGTERM, syscall.SIGUSR1, syscall.SIGUSR2}

// passOn sends a signal to the program, unless the terminal has sent it already: programs
// such as Terraform give up at the second interrupt.
func passOn(program *os.Process, s os.Signal) {
	if (s == syscall.SIGINT || s == syscall.SIGQUIT) && inForeground() {
		return
	}
	_ = program.Signal(s) // it may have ended
}

// inForeground reports whether the terminal, if there is one, sends its signals to the
// process group of this process and the program.
func inForeground() bool {
	terminal, err := os.Open("/dev/tty")
	if err != nil {
		return false
	}
	defer func() { _ = terminal.Close() }()
	group, err := unix.IoctlGetInt(int(terminal.Fd()), unix.TIOCGPGRP)
	return err == nil && group == unix.Getpgrp()
}

// signalBase is what shells add to the number of the signal that ended a program.
const signalBase = 128

// exitCode returns the exit code of a program that has ended, as a shell does.
func exitCode(state *os.ProcessState) int {
	if status, is := state.Sys().(syscall.WaitStatus); is && status.Signaled() {
		return signalBase + int(status.Signal())
	}
	return state.ExitCode()
}
