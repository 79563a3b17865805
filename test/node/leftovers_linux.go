package node

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
)

// killShims kills the shims that a containerd has left, and with them their containers: those that were started with its
// socket, and no others.
func killShims(socket string) {
	entries, _ := os.ReadDir("/proc")
	for _, entry := range entries {
		pid, err := strconv.Atoi(entry.Name())
		if err != nil {
			continue
		}
		text, _ := os.ReadFile(filepath.Join("/proc", entry.Name(), "cmdline"))
		args := bytes.Split(text, []byte{0})
		if bytes.Contains(args[0], []byte("containerd-shim")) && slices.ContainsFunc(args, func(arg []byte) bool { return string(arg) == socket }) {
			killTree(pid)
		}
	}
}

// killTree kills a process and its children.
func killTree(pid int) {
	_ = syscall.Kill(pid, syscall.SIGSTOP) // starts no more of them meanwhile
	tasks, _ := filepath.Glob("/proc/" + strconv.Itoa(pid) + "/task/*/children")
	for _, task := range tasks {
		children, _ := os.ReadFile(task) //nolint:gosec // of /proc
		for child := range strings.FieldsSeq(string(children)) {
			if id, err := strconv.Atoi(child); err == nil {
				killTree(id)
			}
		}
	}
	_ = syscall.Kill(pid, syscall.SIGKILL) // it may have ended
}

// unmount takes away all that is mounted below a directory.
func unmount(dir string) error {
	table, err := os.ReadFile("/proc/self/mounts")
	if err != nil {
		return err
	}
	var errs []error
	lines := strings.Split(string(table), "\n")
	slices.Reverse(lines) // the last comes first
	for _, line := range lines {
		fields := strings.Fields(line)
		if len(fields) > 1 && strings.HasPrefix(fields[1], dir+"/") {
			errs = append(errs, syscall.Unmount(fields[1], syscall.MNT_DETACH))
		}
	}
	return errors.Join(errs...)
}
