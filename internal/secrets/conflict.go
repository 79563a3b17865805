package secrets

import (
	"context"
	"errors"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"kube-aws-iam-controller/internal/api"
	"kube-aws-iam-controller/internal/identity"
)

// CheckName returns an error if the name of want's Secret was found to be taken by a
// Secret of somebody else, and still is. It makes a call only in that case, and
// avoids requesting credentials that cannot be stored.
func (s *Store) CheckName(ctx context.Context, want identity.Desired) error {
	s.mu.Lock()
	_, taken := s.conflicts[want.Key]
	s.mu.Unlock()
	if !taken {
		return nil
	}
	_, err := s.getOwned(ctx, want)
	if err == nil || apierrors.IsNotFound(err) {
		s.setConflict(want.Key, false)
		return nil
	}
	return err
}

// getOwned reads the Secret from the API server. It returns an error if the Secret
// does not belong to the controller.
func (s *Store) getOwned(ctx context.Context, want identity.Desired) (*corev1.Secret, error) {
	secret, err := s.secrets(want.Namespace).Get(ctx, want.SecretName, metav1.GetOptions{})
	if err != nil {
		return nil, err
	}
	if !isOurs(want, &secret.ObjectMeta) {
		s.setConflict(want.Key, true)
		return nil, conflictError(want)
	}
	return secret, nil
}

// Forget drops what is remembered about conflicts of an identity that is no longer
// requested.
func (s *Store) Forget(key identity.Key) { s.setConflict(key, false) }

func (s *Store) setConflict(key identity.Key, taken bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if taken {
		s.conflicts[key] = struct{}{}
	} else {
		delete(s.conflicts, key)
	}
}

// errNotOurs is the cause of the StepError for a conflict.
var errNotOurs = errors.New("a Secret of this name exists that is not the controller's")

func conflictError(want identity.Desired) error {
	return &identity.StepError{
		Reason: api.SecretConflict,
		Message: fmt.Sprintf("Secret %s/%s exists and does not belong to the controller, so it was not changed: delete it, or recreate it under another name",
			want.Namespace, want.SecretName),
		Err: errNotOurs,
	}
}
