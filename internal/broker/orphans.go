package broker

import (
	"context"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/go-kit/log/level"

	"kube-aws-iam-controller/internal/identity"
)

// orphans remembers, by unique id, roles that a sweep found although nobody
// seemed to ask for them.
type orphans struct {
	mu sync.Mutex
	m  map[identity.Key]string
}

func (o *orphans) note(key identity.Key, id string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.m == nil {
		o.m = map[identity.Key]string{}
	}
	o.m[key] = id
}

// id returns the unique id of an identity's orphan, "" for none.
func (o *orphans) id(key identity.Key) string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.m[key]
}

func (o *orphans) forget(key identity.Key) {
	o.mu.Lock()
	defer o.mu.Unlock()
	delete(o.m, key)
}

// SweepOrphans looks for roles that nobody asks for any more, once in an
// OrphanSweepInterval, the first time at a random moment within it, until ctx is
// done. Their ServiceAccount lost its finalizer, or was restored from a backup
// without it. What it finds goes through retire for its key, like everything that
// nobody asks for: only what the API server itself does not know is deleted.
func (b *Broker) SweepOrphans(ctx context.Context, retire func(identity.Key)) {
	if b.OrphanSweepInterval == 0 {
		return
	}
	wait := rand.N(b.OrphanSweepInterval) //nolint:gosec // jitter needs no secret randomness
	for {
		timer := time.NewTimer(wait)
		select {
		case <-ctx.Done():
			timer.Stop()
			return
		case <-timer.C:
		}
		b.sweep(ctx, retire)
		wait = early(b.OrphanSweepInterval)
	}
}

func (b *Broker) sweep(ctx context.Context, retire func(identity.Key)) {
	if b.Roles.Disabled() != nil {
		return // then it has no business with IAM
	}
	err := b.Roles.Sweep(ctx, b.Holder.Owners(), func(key identity.Key, id string) {
		if b.Namespace != "" && key.Namespace != b.Namespace {
			return // another controller's business
		}
		level.Info(b.Logger).Log("msg", "a role was found that nobody seems to ask for", "object", key, "id", id)
		b.orphans.note(key, id)
		retire(key)
	})
	if err != nil && ctx.Err() == nil {
		level.Error(b.Logger).Log("msg", "the sweep for orphaned roles is incomplete", "next", b.OrphanSweepInterval, "err", err)
	}
}
