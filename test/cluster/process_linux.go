package cluster

import "syscall"

// processGroup gives a child a group of its own, out of reach of a terminal's Ctrl-C, and lets the kernel kill it when
// this process dies: a killed test run leaves nothing behind.
func processGroup() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
}
