package secrets

import (
	"context"
	"errors"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"kube-aws-iam-controller/internal/identity"
)

// seeded is a world with the seed of the predecessor.
func seeded(t *testing.T) (*world, identity.Desired, *corev1.Secret) {
	t.Helper()
	w, want := newWorld(t), desired(identity.AWSIAMRole)
	seed := w.api.write("kubectl", want.SecretName, func(s *corev1.Secret) {
		s.Type = corev1.SecretTypeOpaque
		s.Data = map[string][]byte{
			"credentials.json":    []byte(`{"Version":1,"AccessKeyId":"ASIASEED","SecretAccessKey":"seed+secret","SessionToken":"seedtoken"}`),
			"credentials.process": []byte(processFile),
		}
	})
	have, err := w.Standing(t.Context(), want)
	require.NoError(t, err)
	require.NotNil(t, have.Seed)
	w.api.requests = nil
	return w, want, seed
}

func refused(request) error {
	return apierrors.NewForbidden(schema.GroupResource{Resource: "secrets"}, "app", errors.New("a policy of the company"))
}

func accepted(request) error { return nil }

func TestASeedIsReplaced(t *testing.T) {
	w, want, seed := seeded(t)
	require.NoError(t, w.ReplaceSeed(t.Context(), w.api.client("ns"), want, seed, creds))
	assert.Equal(t, []string{"POST", "DELETE", "POST"}, w.api.verbs())
	secret := w.api.get("ns", want.SecretName)
	assert.Equal(t, secretLabels(want), secret.Labels)
	assert.NotEqual(t, seed.UID, secret.UID)
}

func TestASeedIsKeptIfItsSuccessorWouldBeRefused(t *testing.T) {
	w, want, seed := seeded(t)
	w.api.next("POST", refused)
	err := w.ReplaceSeed(t.Context(), w.api.client("ns"), want, seed, creds)
	require.ErrorContains(t, err, "a policy of the company")
	require.ErrorContains(t, err, "nothing was changed")
	assert.Equal(t, []string{"POST"}, w.api.verbs())
	assert.Equal(t, seed, w.api.get("ns", want.SecretName))
}

func TestASeedThatWasChangedSinceIsKept(t *testing.T) {
	w, want, seed := seeded(t)
	changed := w.api.write("kubectl", want.SecretName, func(s *corev1.Secret) { s.Data["credentials.json"] = []byte("{}") })
	require.Error(t, w.ReplaceSeed(t.Context(), w.api.client("ns"), want, seed, creds))
	assert.Equal(t, changed, w.api.get("ns", want.SecretName))
}

func TestASeedIsCreatedAgainIfItsSuccessorIsRefusedAllTheSame(t *testing.T) {
	w, want, seed := seeded(t)
	w.api.next("POST", accepted, refused, accepted)
	require.ErrorContains(t, w.ReplaceSeed(t.Context(), w.api.client("ns"), want, seed, creds), "a policy of the company")
	assert.Equal(t, seed.Data, w.api.get("ns", want.SecretName).Data)

	w, want, seed = seeded(t)
	w.api.next("POST", accepted, refused, func(request) error {
		return apierrors.NewBadRequest(`"seed+secret" is not allowed`)
	})
	err := w.ReplaceSeed(t.Context(), w.api.client("ns"), want, seed, creds)
	require.ErrorContains(t, err, "the seed ns/app was deleted, and could not be created again (BadRequest)")
	assert.NotContains(t, err.Error(), "seed+secret")
}

func TestAnInterruptionLeavesNoControllerWithoutASeed(t *testing.T) {
	w, want, seed := seeded(t)
	ctx, cancel := context.WithCancel(t.Context())
	w.api.next("DELETE", func(request) error { cancel(); return nil })
	require.NoError(t, w.ReplaceSeed(ctx, w.api.client("ns"), want, seed, creds))
	assert.Equal(t, secretLabels(want), w.api.get("ns", want.SecretName).Labels)
}
