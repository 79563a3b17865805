package broker

import (
	"context"
	"errors"
	"time"

	"github.com/go-kit/log/level"

	"kube-aws-iam-controller/internal/identity"
	"kube-aws-iam-controller/internal/refresh"
)

// permit returns an error unless want may have the role that it asks for.
func (b *Broker) permit(ctx context.Context, want identity.Desired) error {
	err := b.Rules.Permit(ctx, want.Key, func(ctx context.Context) (identity.RoleReference, error) {
		if want.Managed != nil {
			return b.Roles.Reference(ctx, want.Key)
		}
		return b.Sessions.Resolve(ctx, want)
	})
	if err != nil {
		return notAssumed(want, err)
	}
	return nil
}

// permitted returns an error unless an object may have the credentials that it
// has: rules change while they live. It takes no call to know whose they are.
func (b *Broker) permitted(ctx context.Context, key identity.Key, have refresh.State) error {
	role, err := identity.ParseRole(have.RoleARN)
	if err != nil || !have.Exists {
		return nil //nolint:nilerr // it has none, or new ones are due and asked about
	}
	return b.Rules.Permit(ctx, key, func(context.Context) (identity.RoleReference, error) { return role, nil })
}

// withdraw takes credentials away that an object may not have. An error that
// only says that this is not known takes nothing away.
func (b *Broker) withdraw(ctx context.Context, source Source, want identity.Desired, have refresh.State, err error) (time.Duration, error) {
	invalid, is := errors.AsType[*identity.InvalidError](err)
	if !is {
		return refresh.Patience(time.Now(), have), err
	}
	b.complain(ctx, want, have, invalid.Reason, invalid)
	if err := b.Secrets.Remove(ctx, want.Key); err != nil {
		return 0, err
	}
	level.Warn(b.Logger).Log("msg", "credentials withdrawn", "object", want.Key, "role", have.RoleARN)
	return repeatAfter, b.report(ctx, source, want, refresh.State{})
}
