package broker

import (
	"context"
	"time"

	"github.com/go-kit/log/level"
)

// retire removes what an identity had that is not asked for any more: its managed
// role, the Secret, then the finalizer.
func (b *Broker) retire(ctx context.Context, source Source, f facts) (time.Duration, error) {
	b.Status.Clear(f.key)
	b.limits.removed.Note(f.key.Namespace, f.now)
	if wait := b.limits.renewals.TakeShared(f.key, time.Now()); wait > 0 {
		return wait, nil
	}
	// A cache that lacks the object is not proof enough to delete by.
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
	if f.have.Exists {
		if err = b.Secrets.Remove(ctx, f.key); err != nil {
			return 0, err
		}
		level.Info(b.Logger).Log("msg", "credentials removed", "object", f.key, "role", f.have.RoleARN)
	}
	if f.roleMayExist {
		return 0, b.Roles.RemoveFinalizer(ctx, f.key)
	}
	return 0, nil
}

// release releases the managed role of an object that uses another role by now.
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
