package leader

import (
	"context"
	"time"

	"github.com/go-kit/log"
	"github.com/go-kit/log/level"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/util/wait"
)

// An elector acquires the Lease and renews it. Its algorithm is that of client-go's package
// leaderelection. That package itself imports the clients, informers and types of every
// API: docs/adr/0026-clients-of-few-types.md.
type elector struct {
	*fencedLease

	logger log.Logger
	// newHolder is called with each holder that is seen.
	newHolder func(string)
	reported  string
}

// acquire waits until this replica holds the Lease. It returns false if ctx is done first.
func (e *elector) acquire(ctx context.Context) (held bool) {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	wait.JitterUntilWithContext(ctx, func(ctx context.Context) {
		if held = e.try(ctx); held {
			stop()
		}
	}, retryPeriod, retryJitter, true)
	return held
}

// renew renews the Lease until ctx is done, or it could not be renewed for renewDeadline.
func (e *elector) renew(ctx context.Context) {
	for {
		err := wait.PollUntilContextTimeout(ctx, retryPeriod, renewDeadline, true, func(ctx context.Context) (bool, error) {
			if err := ctx.Err(); err != nil { // it is called once although ctx is done
				return false, err
			}
			return e.try(ctx), nil
		})
		if err != nil {
			return
		}
		timer := time.NewTimer(retryPeriod)
		select {
		case <-timer.C:
		case <-ctx.Done():
		}
		timer.Stop()
	}
}

// try acquires or renews the Lease, and reports whether this replica holds it.
func (e *elector) try(ctx context.Context) (held bool) {
	defer e.report()
	if e.holder() == e.me && e.valid(time.Now()) && e.update(ctx) == nil {
		return true // in one request, since nobody else writes it
	}
	err := e.read(ctx)
	switch {
	case apierrors.IsNotFound(err):
		err = e.create(ctx)
	case err == nil && e.holder() != "" && e.holder() != e.me && e.valid(time.Now()):
		return false
	case err == nil:
		err = e.update(ctx)
	}
	if err != nil && ctx.Err() == nil {
		level.Warn(e.logger).Log("msg", "the lease cannot be acquired or renewed, trying again", "lease", e.name, "err", err)
	}
	return err == nil
}

// report reports the holder if it is another one than before.
func (e *elector) report() {
	if holder := e.holder(); holder != e.reported {
		e.reported = holder
		e.newHolder(holder)
	}
}
