package broker

import (
	"context"
	"time"

	"github.com/go-kit/log/level"

	"kube-aws-iam-controller/internal/identity"
)

// retire removes what an identity no longer requests: its managed role, the Secret,
// then the finalizer.
func (b *Broker) retire(ctx context.Context, source Source, f facts) (time.Duration, error) {
	b.Status.Clear(f.key)
	b.limits.removed.Note(f.key.Namespace, f.now)
	if wait := b.limits.renewals.TakeShared(f.key, time.Now()); wait > 0 {
		return wait, nil
	}
	// That a cache lacks the object is not enough proof to delete anything.
	released, err := source.Release(ctx, f.key)
	if err != nil || !released {
		if err == nil {
			b.Roles.HasOwner(f.key)
		}
		return 0, err
	}
	id := f.have.RoleID
	if f.have.Edited {
		id = "" // whoever wrote it could keep the role
	}
	if again, failed := b.Roles.Release(ctx, f.key, id); again > 0 || failed != nil {
		return again, failed
	}
	if err = b.removeSecret(ctx, f); err != nil {
		return 0, err
	}
	if f.roleMayExist {
		return 0, b.Roles.RemoveFinalizer(ctx, f.key)
	}
	return 0, nil
}

// removeSecret removes credentials that are no longer requested, except those that the
// controller itself may be using: without them it could not serve anybody.
func (b *Broker) removeSecret(ctx context.Context, f facts) error {
	if !f.have.Exists {
		return nil
	}
	own, err := b.mayRunOn(ctx, f)
	switch {
	case err != nil:
		return err
	case own:
		level.Warn(b.Logger).Log("msg", "credentials are kept although nothing asks for them, because the controller may be running on them: they are no longer renewed",
			"object", f.key, "role", f.have.RoleARN)
		return nil
	}
	if err = b.Secrets.Remove(ctx, f.key); err == nil {
		level.Info(b.Logger).Log("msg", "credentials removed", "object", f.key, "role", f.have.RoleARN)
	}
	return err
}

func (b *Broker) mayRunOn(ctx context.Context, f facts) (bool, error) {
	role, err := identity.ParseRole(f.have.RoleARN)
	if err != nil {
		return false, nil //nolint:nilerr // it is of no role that could be the controller's
	}
	return b.Sessions.MayRunOn(ctx, f.key.Namespace, role)
}

// release releases the managed role of an object that now uses another role.
func (b *Broker) release(ctx context.Context, source Source, f facts) (time.Duration, error) {
	b.Status.Clear(f.key)
	b.limits.removed.Note(f.key.Namespace, f.now)
	next := f.nextRenewal() // no work at IAM delays a renewal
	if wait := b.limits.renewals.TakeShared(f.key, time.Now()); wait > 0 {
		return sooner(wait, next), nil
	}
	if again, err := b.Roles.Release(ctx, f.key, ""); again > 0 || err != nil {
		return sooner(again, next), err
	}
	if err := b.Roles.RemoveFinalizer(ctx, f.key); err != nil {
		return next, err
	}
	return next, b.settle(ctx, source, f)
}
