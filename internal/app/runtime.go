package app

import (
	"context"
	"io/fs"
	"os"
	"runtime/debug"
	"strconv"
	"strings"
)

// gcPercent trades processor time, of which next to none is used, for memory:
// most of what lives is caches, which leave little garbage.
const gcPercent = 40

// limitGarbage leaves the last word to GOGC.
func limitGarbage() {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(gcPercent)
	}
}

// cgroupFiles are where the kernel tells what a container may have, by version 2
// and version 1 of cgroups.
var cgroupFiles = []string{"memory.max", "memory/memory.limit_in_bytes"}

// limitMemory has the runtime collect garbage rather than exceed what the container
// may have, which would end the process. A tenth is left to what is not the
// runtime's. GOMEMLIMIT has the last word.
func limitMemory(cgroup fs.FS) (limit int64) {
	if os.Getenv("GOMEMLIMIT") != "" {
		return 0
	}
	if limit = containerLimit(cgroup) / 10 * 9; limit > 0 {
		debug.SetMemoryLimit(limit)
	}
	return limit
}

// containerLimit returns how many bytes the container may have, 0 if that is not
// known or not limited.
func containerLimit(cgroup fs.FS) int64 {
	for _, name := range cgroupFiles {
		text, err := fs.ReadFile(cgroup, name)
		if err != nil {
			continue
		}
		// Without a limit it is "max", or more than any machine has.
		if limit, err := strconv.ParseInt(strings.TrimSpace(string(text)), 10, 64); err == nil && limit < unlimited {
			return limit
		}
	}
	return 0
}

// unlimited is a pebibyte.
const unlimited = 1 << 50

// giveBack returns memory to the operating system once the caches are filled.
// Filling them takes several times what they hold, and the runtime would keep
// that for a use that does not come again. A cache that the API server refuses to
// fill is not waited for.
func (c *controller) giveBack(ctx context.Context, free func()) {
	for _, s := range c.sources {
		if !s.objects.AwaitSettled(ctx) || !s.secrets.AwaitSettled(ctx) {
			return
		}
	}
	free()
}
