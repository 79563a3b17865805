package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// vmRSS is the resident memory of a process, in bytes, as Linux tells it.
func vmRSS(pid int) (int, error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(string(text)) {
		if value, is := strings.CutPrefix(line, "VmRSS:"); is {
			kib, err := strconv.Atoi(strings.Fields(value)[0])
			return kib << 10, err
		}
	}
	return 0, fmt.Errorf("process %d has no resident memory", pid)
}

// processorTime is what the threads of a process have run, to the nanosecond: /proc/PID/stat counts in ticks of 10 ms, of
// which a controller that stands still uses a few a minute. Threads that have ended are missing; those of Go stay.
// Source: https://docs.kernel.org/scheduler/sched-stats.html
func processorTime(pid int) (total time.Duration, err error) {
	files, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/schedstat", pid))
	if err == nil && len(files) == 0 {
		err = fmt.Errorf("process %d has no thread with a schedstat", pid)
	}
	if err != nil {
		return 0, err
	}
	for _, file := range files {
		text, err := os.ReadFile(file) //nolint:gosec // of a process that was started here
		if errors.Is(err, fs.ErrNotExist) {
			continue // the thread has ended since
		}
		if err != nil {
			return 0, err
		}
		first, _, _ := strings.Cut(string(text), " ")
		ran, err := strconv.ParseInt(first, 10, 64)
		if err != nil {
			return 0, fmt.Errorf("%s: %w", file, err)
		}
		total += time.Duration(ran)
	}
	return total, nil
}
