package managedrole

import (
	"context"
	"math/rand/v2"
	"time"

	"github.com/go-kit/log/level"

	"kube-aws-iam-controller/internal/identity"
)

// SweepOrphans looks for roles that no object requests anymore, every SweepInterval,
// the first time at a random moment within it, until ctx is done. Their ServiceAccount
// lost its finalizer, or was restored from a backup without it. Each identity found is
// passed to retire, and its role is released like that of any object that is gone: only
// if the API server confirms it.
func (m *Manager) SweepOrphans(ctx context.Context, retire func(identity.Key)) {
	if m.SweepInterval == 0 {
		return
	}
	wait := rand.N(m.SweepInterval) //nolint:gosec // jitter needs no secret randomness
	for {
		timer := time.NewTimer(wait)
		select {
		case <-ctx.Done():
			timer.Stop()
			return
		case <-timer.C:
		}
		m.sweep(ctx, retire)
		wait = jittered(m.SweepInterval)
	}
}

func (m *Manager) sweep(ctx context.Context, retire func(identity.Key)) {
	if m.IAM.Disabled() != nil {
		return // then it has no business with IAM
	}
	err := m.IAM.Sweep(ctx, m.Finalizers.Owners(), func(key identity.Key, id string) {
		if m.Namespace != "" && key.Namespace != m.Namespace {
			return // another controller's business
		}
		level.Info(m.Logger).Log("msg", "found a managed role without an owner", "object", key, "id", id)
		m.update(key, func(r *record) { r.orphanID = id })
		retire(key)
	})
	if err != nil && ctx.Err() == nil {
		level.Error(m.Logger).Log("msg", "the sweep for orphaned roles is incomplete", "next", m.SweepInterval, "err", err)
	}
}

// HasOwner drops what a sweep found of an identity, because an object requests it after
// all.
func (m *Manager) HasOwner(key identity.Key) {
	if m.record(key).orphanID != "" {
		m.update(key, func(r *record) { r.orphanID = "" })
	}
}
