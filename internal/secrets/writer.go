package secrets

import (
	"context"
	"encoding/json"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"kube-aws-iam-controller/internal/api"
	"kube-aws-iam-controller/internal/identity"
)

// writer writes one Secret once.
type writer struct {
	*Store

	want        identity.Desired
	creds       identity.Credentials
	data        map[string][]byte
	annotations map[string]string
	// creating reports that the latest attempt was a create, created that one
	// succeeded. patched is the resource version for which the latest patch was
	// sent.
	creating, created bool
	patched           string
	// dryRun is that of CreateOptions.
	dryRun []string
}

func newWriter(s *Store, want identity.Desired, creds identity.Credentials) (*writer, error) {
	data, err := render(want, creds)
	return &writer{Store: s, want: want, creds: creds, data: data, annotations: annotations(want, creds)}, err
}

// create fails if a Secret of the name exists.
func (w *writer) create(ctx context.Context) (*corev1.Secret, error) {
	w.creating = true
	if w.want.Source == identity.ServiceAccount && w.data[api.AuthorizationTokenKey] == nil {
		w.data[api.AuthorizationTokenKey] = newToken()
	}
	version, kind := w.want.Source.Owner()
	secret, err := w.secrets(w.want.Namespace).Create(ctx, &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{
			Name:            w.want.SecretName,
			Namespace:       w.want.Namespace,
			Labels:          secretLabels(w.want),
			Annotations:     w.annotations,
			OwnerReferences: []metav1.OwnerReference{{APIVersion: version, Kind: kind, Name: w.want.Name, UID: types.UID(w.want.UID)}},
		},
		Type: corev1.SecretTypeOpaque,
		Data: w.data,
	}, metav1.CreateOptions{FieldManager: api.ControllerName, DryRun: w.dryRun})
	w.created = err == nil
	return secret, err
}

// patch updates the observed version of the Secret.
func (w *writer) patch(ctx context.Context, have *observation) (*corev1.Secret, error) {
	w.creating = false
	if have.Edited {
		return w.adopt(ctx)
	}
	return w.send(ctx, have, w.want.Source == identity.AWSIAMRole)
}

// adopt overwrites a Secret of ours that changed since it was observed or was
// edited. All of its data is replaced, so that nothing foreign remains.
func (w *writer) adopt(ctx context.Context) (*corev1.Secret, error) {
	w.creating = false
	secret, err := w.getOwned(ctx, w.want)
	if err != nil {
		return nil, err
	}
	w.keepToken(secret)
	return w.send(ctx, observe(w.want.Source, &secret.ObjectMeta), true)
}

// keepToken reuses the authorization token of an existing Secret, because pods hold
// it for their whole life.
func (w *writer) keepToken(secret *corev1.Secret) {
	if w.want.Source != identity.ServiceAccount {
		return
	}
	w.data[api.AuthorizationTokenKey] = newToken()
	if token := secret.Data[api.AuthorizationTokenKey]; wellFormedToken.Match(token) {
		w.data[api.AuthorizationTokenKey] = token
	}
}

func (w *writer) send(ctx context.Context, have *observation, whole bool) (*corev1.Secret, error) {
	body, err := json.Marshal(operations(w.want, have, w.data, w.annotations, whole))
	if err != nil {
		return nil, fmt.Errorf("render patch: %w", err)
	}
	w.patched = have.ResourceVersion
	return w.secrets(w.want.Namespace).Patch(ctx, w.want.SecretName, types.JSONPatchType, body,
		metav1.PatchOptions{FieldManager: api.ControllerName})
}

// replace deletes and recreates a Secret that somebody made immutable, which cannot
// be undone in any other way. If the Secret changed since the patch was rendered,
// the patch may have been invalid for that reason, and the Secret is adopted
// instead.
func (w *writer) replace(ctx context.Context, refused error) (*corev1.Secret, error) {
	secret, err := w.getOwned(ctx, w.want)
	if err != nil {
		return nil, err
	}
	if secret.ResourceVersion != w.patched {
		return w.adopt(ctx)
	}
	if secret.Immutable == nil || !*secret.Immutable {
		return nil, w.stepError(refused) // a retry would fail in the same way
	}
	w.keepToken(secret)
	err = w.secrets(w.want.Namespace).Delete(ctx, w.want.SecretName, metav1.DeleteOptions{
		Preconditions: &metav1.Preconditions{UID: &secret.UID, ResourceVersion: &secret.ResourceVersion},
	})
	if err != nil && !apierrors.IsNotFound(err) {
		return nil, err
	}
	return w.create(ctx)
}

// nextStep returns the step to take after err, nil if a retry within this Apply
// cannot help.
func (w *writer) nextStep(err error) func(context.Context) (*corev1.Secret, error) {
	switch {
	case apierrors.IsAlreadyExists(err), apierrors.IsConflict(err):
		return w.adopt
	case apierrors.IsNotFound(err) && !w.creating:
		return w.create
	case apierrors.IsInvalid(err) && !w.creating:
		return func(ctx context.Context) (*corev1.Secret, error) { return w.replace(ctx, err) }
	default:
		return nil
	}
}
