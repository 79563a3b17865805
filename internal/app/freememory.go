package app

import (
	"context"
	"runtime/metrics"
	"time"

	"k8s.io/apimachinery/pkg/util/wait"
)

const (
	// burstInterval is how often it is looked whether a burst of work is over.
	burstInterval = 15 * time.Second
	// burstSize is how much is allocated in that time in a burst, in bytes: some 300
	// issues of credentials.
	burstSize = 64 << 20
)

// freeMemory returns memory to the operating system once the caches are filled: filling
// them takes several times what they hold, which the runtime would keep. It does not
// wait for objects that the controller may not list. The garbage of a burst of work
// stays likewise until the next collection, which a controller with little to do puts
// off, so it does the same after each burst.
func (c *controller) freeMemory(ctx context.Context, free func()) {
	for _, s := range c.sources {
		if !s.objects.AwaitSettled(ctx) || !s.secrets.AwaitSettled(ctx) {
			return
		}
	}
	free()
	freeAfterBursts(ctx, allocated, free)
}

// freeAfterBursts calls free whenever a burst of allocations is over, until ctx is done.
// allocated returns how many bytes have been allocated so far.
func freeAfterBursts(ctx context.Context, allocated func() uint64, free func()) {
	before, busy := allocated(), false
	wait.UntilWithContext(ctx, func(context.Context) {
		total := allocated()
		wasBusy := busy
		busy, before = total-before >= burstSize, total
		if wasBusy && !busy {
			free()
		}
	}, burstInterval)
}

// allocated returns how many bytes of the heap have been allocated since the start.
func allocated() uint64 {
	sample := []metrics.Sample{{Name: "/gc/heap/allocs:bytes"}}
	metrics.Read(sample)
	return sample[0].Value.Uint64()
}
