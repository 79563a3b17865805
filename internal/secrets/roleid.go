package secrets

import (
	"context"
	"encoding/json"
	"fmt"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

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
	body, err := json.Marshal([]operation{
		add(have.ResourceVersion, "metadata", "resourceVersion"),
		add(have.UID, "metadata", "uid"),
		remove("metadata", "annotations", roleIDAnnotation),
	})
	if err != nil {
		return fmt.Errorf("render patch: %w", err)
	}
	secret, err := s.secrets.Secrets(key.Namespace).Patch(ctx, have.name, types.JSONPatchType, body, metav1.PatchOptions{FieldManager: Manager})
	if err != nil {
		return &identity.StepError{
			Reason:  identity.UpdateSecretFailed,
			Message: fmt.Sprintf("Failed to update secret %s/%s: %v", key.Namespace, have.name, err),
			Err:     err,
		}
	}
	if !have.Edited { // what somebody else wrote is still there to be noticed
		s.remember(key, &secret.ObjectMeta)
	}
	return nil
}
