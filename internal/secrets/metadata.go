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

// LabelsDiffer says whether the labels of want's resource are others than those
// of its Secret, without a call. It is false where a renewal is to write them:
// for a Secret that is missing, or edited by somebody else.
func (s *Store) LabelsDiffer(want identity.Desired) bool {
	have := s.observe(want.Key)
	if want.Source != identity.AWSIAMRole || want.KeepLabels || !have.Exists || have.Edited || have.labelsOmitted {
		return false
	}
	return have.lacksLabels(want) || len(have.staleLabels(want)) > 0
}

// Relabel gives the Secret of want the labels of its resource, and takes off
// those that came from there and are there no more. The credentials stay. A
// Secret that somebody else wrote or deleted since it was observed is left to
// the event which says so.
func (s *Store) Relabel(ctx context.Context, want identity.Desired) error {
	have := s.observe(want.Key)
	err := s.patchMetadata(ctx, want.Key, &have, labelOperations(want, &have))
	if apierrors.IsConflict(err) || apierrors.IsNotFound(err) {
		return nil
	}
	return err
}

// patchMetadata changes the observed Secret, and no other, but not its data.
func (s *Store) patchMetadata(ctx context.Context, key identity.Key, have *observation, change []operation) error {
	body, err := json.Marshal(append([]operation{
		add(have.ResourceVersion, "metadata", "resourceVersion"),
		add(have.UID, "metadata", "uid"),
	}, change...))
	if err != nil {
		return fmt.Errorf("render patch: %w", err)
	}
	secret, err := s.secrets.Secrets(key.Namespace).Patch(ctx, have.name, types.JSONPatchType, body, metav1.PatchOptions{FieldManager: api.ControllerName})
	if err != nil {
		return &identity.StepError{
			Reason:  api.UpdateSecretFailed,
			Message: fmt.Sprintf("Failed to update secret %s/%s: %v", key.Namespace, have.name, err),
			Err:     err,
		}
	}
	if !have.Edited { // what somebody else wrote is still there to be noticed
		s.recordWrite(key, &secret.ObjectMeta)
	}
	return nil
}

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
