package main

import (
	"context"
	"fmt"
	"strings"
	"time"
)

// What a controller may hold in memory.
const (
	idleMemory     = 30 * mib
	identityMemory = 3 << 10
	otherMemory    = 512
	mib            = 1 << 20
)

// scrapes are how often the metrics are read before the memory is: Prometheus reads them, too, and answering takes memory.
const scrapes = 3

// memory measures the resident memory of a controller, with each kind of object by itself, once it has made the Secrets and
// after a restart.
func (b *bench) memory(ctx context.Context, size sizes, r *report) error {
	if err := b.emptyMemory(ctx, size, r); err != nil {
		return err
	}
	for _, kind := range kinds {
		if err := b.identityMemory(ctx, kind, size.fresh, r); err != nil {
			return err
		}
	}
	return nil
}

// emptyMemory measures a controller without identities.
func (b *bench) emptyMemory(ctx context.Context, size sizes, r *report) error {
	const namespace = "memory"
	if err := b.namespace(ctx, namespace); err != nil {
		return err
	}
	idle, err := b.residentAfterStart(ctx, namespace)
	if err != nil {
		return err
	}
	reportMemory(r, "resident memory with nothing to do", idleMemory, idle)
	b.say("controller: %d ServiceAccounts that ask for nothing", size.other)
	if err = b.numbered(ctx, namespace, 0, size.other, b.createOther); err != nil {
		return err
	}
	others, err := b.residentAfterStart(ctx, namespace)
	if err != nil {
		return err
	}
	reportMemory(r, fmt.Sprintf("the same, with %d ServiceAccounts that ask for nothing", size.other), idleMemory+otherMemory*size.other, others)
	return nil
}

// identityMemory measures a controller with n identities.
func (b *bench) identityMemory(ctx context.Context, kind kind, n int, r *report) error {
	namespace := "memory-" + strings.ToLower(kind.name)
	if err := b.namespace(ctx, namespace); err != nil {
		return err
	}
	if err := b.fill(ctx, namespace, kind, n); err != nil {
		return err
	}
	defer b.stop()
	made, err := b.resident(ctx)
	if err != nil {
		return err
	}
	b.stop()
	restarted, err := b.residentAfterStart(ctx, namespace)
	if err != nil {
		return err
	}
	reportMemory(r, fmt.Sprintf("resident memory with %d %s, whose Secrets it has made", n, kind.name), idleMemory+identityMemory*n, made)
	reportMemory(r, "the same, after a restart", idleMemory+identityMemory*n, restarted)
	return nil
}

func reportMemory(r *report, what string, limit, measured int) {
	r.add(measured <= limit, what, fmt.Sprintf("%.1f MiB", float64(limit)/mib), "%.1f MiB", float64(measured)/mib)
}

// residentAfterStart is the resident memory of a controller that has just started and has nothing left to do.
func (b *bench) residentAfterStart(ctx context.Context, namespace string) (int, error) {
	if err := b.run(ctx, namespace); err != nil {
		return 0, err
	}
	defer b.stop()
	if err := b.running.WaitReady(ctx, patience); err != nil {
		return 0, err
	}
	return b.resident(ctx)
}

// resident is the resident memory of the running controller once it has nothing left to do, in bytes.
func (b *bench) resident(ctx context.Context) (int, error) {
	if err := pause(ctx, settled); err != nil {
		return 0, err
	}
	for range scrapes {
		if _, err := b.running.Get(ctx, "/metrics"); err != nil {
			return 0, err
		}
		if err := pause(ctx, 5*time.Second); err != nil {
			return 0, err
		}
	}
	return vmRSS(b.running.PID())
}

// pause waits.
func pause(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
