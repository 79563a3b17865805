package main

import (
	"context"
	"os"
	"runtime/debug"
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
