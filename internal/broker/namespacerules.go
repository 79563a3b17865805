package broker

import (
	"context"

	"kube-aws-iam-controller/internal/identity"
)

// permit returns an error unless want may have the role that it requests.
func (b *Broker) permit(ctx context.Context, want identity.Desired) error {
	err := b.Rules.Permit(ctx, want.Key, func(ctx context.Context) (identity.RoleReference, error) {
		if want.Managed != nil {
			return b.Roles.Reference(ctx, want.Key)
		}
		return b.Sessions.Resolve(ctx, want)
	})
	if err != nil {
		return identity.NotAssumed(want, err)
	}
	return nil
}

// permitted returns an error unless the object may use the role.
func (b *Broker) permitted(ctx context.Context, key identity.Key, role identity.RoleReference) error {
	return b.Rules.Permit(ctx, key, func(context.Context) (identity.RoleReference, error) { return role, nil })
}
