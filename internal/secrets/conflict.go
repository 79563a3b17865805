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

// Free returns an error if the name of want's Secret was found taken by
// somebody else's and still is. It costs a call only in that case, and spares
// asking STS for credentials that cannot be stored.
func (s *Store) Free(ctx context.Context, want identity.Desired) error {
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

// live reads the Secret from the API server; it is an error if it is not ours.
func (s *Store) getOwned(ctx context.Context, want identity.Desired) (*corev1.Secret, error) {
	secret, err := s.secrets.Secrets(want.Namespace).Get(ctx, want.SecretName, metav1.GetOptions{})
	if err != nil {
		return nil, err
	}
	if !isOurs(want, &secret.ObjectMeta) {
		s.setConflict(want.Key, true)
		return nil, conflictError(want)
	}
	return secret, nil
}

// Forget drops what is remembered of the conflicts of an identity that nobody
// asks for any more.
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

// errNotOurs is what a StepError for a conflict wraps.
var errNotOurs = errors.New("a Secret of this name exists that is not the controller's")

func conflictError(want identity.Desired) error {
	return &identity.StepError{
		Reason: api.SecretConflict,
		Message: fmt.Sprintf("Secret %s/%s exists and is not the controller's: rename or delete it, nothing in it was changed",
			want.Namespace, want.SecretName),
		Err: errNotOurs,
	}
}
