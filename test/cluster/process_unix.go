//go:build unix && !linux

package cluster

import "syscall"

// processGroup gives a child a group of its own, out of reach of a terminal's Ctrl-C. Only Linux can also tie its life
// to that of this process.
func processGroup() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true}
}
