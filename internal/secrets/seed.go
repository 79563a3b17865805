package secrets

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	corev1client "k8s.io/client-go/kubernetes/typed/core/v1"

	"kube-aws-iam-controller/internal/api"
	"kube-aws-iam-controller/internal/identity"
)

// Standing is what there is under the name of a Secret.
type Standing struct {
	// Exists reports that there is a Secret, which Apply writes.
	Exists bool
	// Seed identifies a Secret with the first credentials of the predecessor, which has
	// to be removed before Apply; nil if there is none.
	Seed *metav1.Preconditions
}

// Standing asks the API server what there is under the name of want's Secret. The error
// is a *identity.StepError if that belongs to somebody else.
func (s *Store) Standing(ctx context.Context, want identity.Desired) (Standing, error) {
	secret, err := s.secrets.Secrets(want.Namespace).Get(ctx, want.SecretName, metav1.GetOptions{})
	switch {
	case apierrors.IsNotFound(err):
		return Standing{}, nil
	case err != nil:
		return Standing{}, fmt.Errorf("read secret %s/%s: %w", want.Namespace, want.SecretName, err)
	case isOurs(want, &secret.ObjectMeta):
		return Standing{Exists: true}, nil
	case isSeed(secret):
		return Standing{Seed: &metav1.Preconditions{UID: &secret.UID, ResourceVersion: &secret.ResourceVersion}}, nil
	default:
		return Standing{}, conflictError(want)
	}
}

// RemoveSeed deletes the seed that Standing found, unless it was changed since. The client
// is not the controller's, which may not delete what it did not make.
func RemoveSeed(ctx context.Context, client corev1client.SecretsGetter, want identity.Desired, seed *metav1.Preconditions) error {
	err := client.Secrets(want.Namespace).Delete(ctx, want.SecretName, metav1.DeleteOptions{Preconditions: seed})
	if err != nil && !apierrors.IsNotFound(err) {
		return fmt.Errorf("delete secret %s/%s: %w", want.Namespace, want.SecretName, err)
	}
	return nil
}

// isSeed recognizes the Secret that users of the predecessor create by hand for its own
// role, as its README says under "Bootstrap in non-AWS environment": without labels and
// owners, with the two keys that SDKs need.
func isSeed(secret *corev1.Secret) bool {
	keys := slices.Sorted(maps.Keys(secret.Data))
	if len(secret.Labels)+len(secret.OwnerReferences)+len(secret.Finalizers) > 0 || secret.Type != corev1.SecretTypeOpaque ||
		!slices.Equal(keys, []string{api.CredentialsJSONKey, api.CredentialsProcessKey}) {
		return false
	}
	var document processJSON
	err := json.Unmarshal(secret.Data[api.CredentialsJSONKey], &document)
	// The shell takes off the newline at the end of what it substitutes.
	process := string(secret.Data[api.CredentialsProcessKey])
	return err == nil && document.Version == 1 && document.AccessKeyID != "" && document.SecretAccessKey != "" && document.SessionToken != "" &&
		(process == processFile || process+"\n" == processFile)
}
