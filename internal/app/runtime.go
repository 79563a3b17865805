package app

import (
	"io/fs"
	"os"
	"runtime/debug"
	"strconv"
	"strings"
)

// gcPercent trades CPU time, of which the controller uses little, for memory: most of
// the heap are caches, which produce little garbage.
const gcPercent = 40

// setGCPercent sets gcPercent unless GOGC is set.
func setGCPercent() {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(gcPercent)
	}
}

// cgroupFiles contain the memory limit of the container, for cgroups v2 and v1.
var cgroupFiles = []string{"memory.max", "memory/memory.limit_in_bytes"}

// setMemoryLimit sets the memory limit of the Go runtime to nine tenths of the
// container's, unless GOMEMLIMIT is set. The runtime then collects garbage before the
// process would be killed. The rest is for memory that the runtime does not manage.
func setMemoryLimit(cgroup fs.FS) (limit int64) {
	if os.Getenv("GOMEMLIMIT") != "" {
		return 0
	}
	if limit = containerLimit(cgroup) / 10 * 9; limit > 0 {
		debug.SetMemoryLimit(limit)
	}
	return limit
}

// containerLimit returns the memory limit of the container in bytes, 0 if it is unknown
// or there is none.
func containerLimit(cgroup fs.FS) int64 {
	for _, name := range cgroupFiles {
		text, err := fs.ReadFile(cgroup, name)
		if err != nil {
			continue
		}
		// Without a limit it is "max", or a number larger than any machine's memory.
		if limit, err := strconv.ParseInt(strings.TrimSpace(string(text)), 10, 64); err == nil && limit < unlimited {
			return limit
		}
	}
	return 0
}

// unlimited is a pebibyte.
const unlimited = 1 << 50
