package secrets

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"kube-aws-iam-controller/internal/api"
	"kube-aws-iam-controller/internal/identity"
)

// Standing is what there is under the name of a Secret.
type Standing struct {
	// Exists reports that there is a Secret, which Apply writes.
	Exists bool
	// Seed is a Secret with the first credentials of the predecessor, for ReplaceSeed; nil
	// if there is none.
	Seed *corev1.Secret
}

// Standing asks the API server what there is under the name of want's Secret. The error
// is a *identity.StepError if that belongs to somebody else.
func (s *Store) Standing(ctx context.Context, want identity.Desired) (Standing, error) {
	secret, err := s.secrets(want.Namespace).Get(ctx, want.SecretName, metav1.GetOptions{})
	switch {
	case apierrors.IsNotFound(err):
		return Standing{}, nil
	case err != nil:
		return Standing{}, fmt.Errorf("read secret %s/%s: %w", want.Namespace, want.SecretName, err)
	case isOurs(want, &secret.ObjectMeta):
		return Standing{Exists: true}, nil
	case isSeed(secret):
		return Standing{Seed: secret}, nil
	default:
		return Standing{}, conflictError(want)
	}
}

// ReplaceSeed writes creds in place of the seed that Standing found, unless that was changed
// since. It cannot be updated in place: neither may the controller write what it did not
// create, nor anybody else what the controller writes. So the API server is asked first
// whether it would accept the new one, and if that fails all the same, the seed is created
// again. admin is the client, for want's namespace, of somebody who may delete and create the
// seed.
func (s *Store) ReplaceSeed(
	ctx context.Context, admin Client, want identity.Desired, seed *corev1.Secret, creds identity.Credentials,
) error {
	if err := s.tryCreate(ctx, want, creds); err != nil {
		return fmt.Errorf("%w; nothing was changed", err)
	}
	ctx = context.WithoutCancel(ctx) // without a seed the controller would have no credentials
	err := admin.Delete(ctx, want.SecretName, metav1.DeleteOptions{
		Preconditions: &metav1.Preconditions{UID: &seed.UID, ResourceVersion: &seed.ResourceVersion},
	})
	if err != nil && !apierrors.IsNotFound(err) {
		return fmt.Errorf("delete secret %s/%s: %w", want.Namespace, want.SecretName, err)
	}
	if _, _, err = s.Apply(ctx, want, creds); err != nil {
		return errors.Join(err, restore(ctx, admin, seed))
	}
	return nil
}

// tryCreate has the API server validate the Secret of want, which exists. Admission comes
// before the name is found to be taken.
func (s *Store) tryCreate(ctx context.Context, want identity.Desired, creds identity.Credentials) error {
	w, err := newWriter(s, want, creds)
	if err != nil {
		return err
	}
	w.dryRun = []string{metav1.DryRunAll}
	if _, err = w.create(ctx); err != nil && !apierrors.IsAlreadyExists(err) {
		return w.stepError(err)
	}
	return nil
}

// restore creates a seed again.
func restore(ctx context.Context, admin Client, seed *corev1.Secret) error {
	_, err := admin.Create(ctx, &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{Name: seed.Name, Namespace: seed.Namespace, Annotations: seed.Annotations},
		Immutable:  seed.Immutable, Type: seed.Type, Data: seed.Data,
	}, metav1.CreateOptions{})
	if err != nil {
		// The API server's message may quote what was sent.
		return fmt.Errorf("the seed %s/%s was deleted, and could not be created again (%s): create it as you did at first", seed.Namespace, seed.Name, apierrors.ReasonForError(err))
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
