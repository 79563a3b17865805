package secrets

import (
	"context"
	"encoding/json"
	"fmt"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"kube-aws-iam-controller/internal/api"
	"kube-aws-iam-controller/internal/identity"
)

// LabelsDiffer reports, from the cache, whether the labels of an AWSIAMRole differ
// from those of its Secret. It is false if the Secret is missing or was edited,
// because the renewal will write the labels.
func (s *Store) LabelsDiffer(want identity.Desired) bool {
	have := s.observe(want.Key)
	if want.Source != identity.AWSIAMRole || want.KeepLabels || !have.Exists || have.Edited || have.labelsOmitted {
		return false
	}
	return have.lacksLabels(want) || len(have.staleLabels(want)) > 0
}

// Relabel updates the labels that the Secret of want has from its AWSIAMRole, and
// leaves the credentials unchanged. It does nothing if another client changed or
// deleted the Secret in the meantime, because the watch event of that will lead to
// another sync.
func (s *Store) Relabel(ctx context.Context, want identity.Desired) error {
	have := s.observe(want.Key)
	err := s.patchMetadata(ctx, want.Key, &have, labelOperations(want, &have))
	if apierrors.IsConflict(err) || apierrors.IsNotFound(err) {
		return nil
	}
	return err
}

// patchMetadata applies operations to the metadata of the observed version of a
// Secret.
func (s *Store) patchMetadata(ctx context.Context, key identity.Key, have *observation, change []operation) error {
	body, err := json.Marshal(append([]operation{
		add(have.ResourceVersion, "metadata", "resourceVersion"),
		add(have.UID, "metadata", "uid"),
	}, change...))
	if err != nil {
		return fmt.Errorf("render patch: %w", err)
	}
	secret, err := s.secrets(key.Namespace).Patch(ctx, have.name, types.JSONPatchType, body, metav1.PatchOptions{FieldManager: api.ControllerName})
	if err != nil {
		return &identity.StepError{
			Reason:  api.UpdateSecretFailed,
			Message: fmt.Sprintf("Failed to update secret %s/%s: %v", key.Namespace, have.name, err),
			Err:     err,
		}
	}
	if !have.Edited { // an edit by another client still has to be detected
		s.recordWrite(key, &secret.ObjectMeta)
	}
	return nil
}

// ForgetRole removes the unique ID of a deleted role from the Secret of an
// identity, so that the role that replaces it is recognized by its tags alone until
// the Secret has its ID. It makes a call only if the Secret has an ID. The
// credentials are left unchanged.
func (s *Store) ForgetRole(ctx context.Context, key identity.Key) error {
	have := s.observe(key)
	if !have.Exists || have.RoleID == "" {
		return nil
	}
	return s.patchMetadata(ctx, key, &have, []operation{remove("metadata", "annotations", api.RoleIDAnnotation)})
}
