package main

import (
	"context"
	"os"
	"runtime/debug"

	"k8s.io/client-go/tools/cache"
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

// giveBack returns memory to the operating system once the caches are filled.
// Filling them takes several times what they hold, and the runtime would keep
// that for a use that does not come again.
func (c *controller) giveBack(ctx context.Context) {
	var synced []cache.DoneChecker
	for _, s := range c.sources {
		synced = append(synced, s.objects.HasSyncedChecker(), s.secrets.HasSyncedChecker())
	}
	if cache.WaitFor(ctx, "all", synced...) {
		debug.FreeOSMemory()
	}
}
