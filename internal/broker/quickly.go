package broker

import (
	"context"
	"errors"
	"time"

	"kube-aws-iam-controller/internal/identity"
	"kube-aws-iam-controller/internal/refresh"
)

// ErrSlow is what SyncQuickly leaves to Sync: IAM has to be asked, which answers a
// few requests a second, and a role may take two dozen of them.
var ErrSlow = errors.New("IAM has to be asked, which takes long")

// quickly marks the context of what may not wait for IAM.
type quickly struct{}

// SyncQuickly is Sync of all that can do without IAM. For what cannot it returns
// ErrSlow, has spent no budget, and has told nobody.
func (b *Broker) SyncQuickly(ctx context.Context, key identity.Key) (time.Duration, error) {
	return b.Sync(context.WithValue(ctx, quickly{}, true), key)
}

// mayWait returns ErrSlow where IAM may not be waited for.
func mayWait(ctx context.Context) error {
	if ctx.Value(quickly{}) != nil {
		return ErrSlow
	}
	return nil
}

// unhurried are Roles that nobody waits for who may not.
type unhurried struct{ Roles }

func (r unhurried) Ensure(ctx context.Context, want identity.Desired, id string) (identity.Role, error) {
	if err := mayWait(ctx); err != nil {
		return identity.Role{}, err
	}
	return r.Roles.Ensure(ctx, want, id)
}

func (r unhurried) Differs(ctx context.Context, want identity.Desired, id string) (identity.Role, error) {
	if err := mayWait(ctx); err != nil {
		return identity.Role{}, err
	}
	return r.Roles.Differs(ctx, want, id)
}

// mayRemove returns how long to wait, or ErrSlow, before anything of an identity is
// taken away: each takes a call or two, and a Secret with our labels, or a
// finalizer, is put on in a loop at no cost. asks says that IAM is asked, too. What
// the namespace asks for anew meanwhile is known to be in place of it.
func (b *Broker) mayRemove(ctx context.Context, key identity.Key, asks bool) (time.Duration, error) {
	b.removals.note(key.Namespace, time.Now())
	if asks {
		if err := mayWait(ctx); err != nil {
			return 0, err
		}
	}
	return b.restores.spendRemoval(key, time.Now()), nil
}

// withdrawInTurn takes credentials away that an object may not have, from the
// budget of its own: nobody else in the namespace may delay that.
func (b *Broker) withdrawInTurn(ctx context.Context, source Source, want identity.Desired, have refresh.State, err error) (time.Duration, error) {
	if _, is := errors.AsType[*identity.InvalidError](err); is {
		if again := b.restores.spendOwn(want.Key, time.Now()); again > 0 {
			return again, nil
		}
	}
	return b.withdraw(ctx, source, want, have, err)
}

// partInTurn parts an object from a role of its own, if it has one.
func (b *Broker) partInTurn(ctx context.Context, key identity.Key) (time.Duration, error) {
	if !b.holds(key) {
		return 0, nil
	}
	if again, err := b.mayRemove(ctx, key, true); again > 0 || err != nil {
		return again, err
	}
	return b.part(ctx, key)
}
