package secrets

import (
	"context"

	"kube-aws-iam-controller/internal/api"
	"kube-aws-iam-controller/internal/identity"
)

// ForgetRole takes the unique id of a role that is gone off the Secret of an
// identity, so that the one made in its place is known by its tags alone until
// the Secret names its id. It is a call only where there is an id to forget. The
// credentials stay.
func (s *Store) ForgetRole(ctx context.Context, key identity.Key) error {
	have := s.observe(key)
	if !have.Exists || have.RoleID == "" {
		return nil
	}
	return s.patchMetadata(ctx, key, &have, []operation{remove("metadata", "annotations", api.RoleIDAnnotation)})
}
