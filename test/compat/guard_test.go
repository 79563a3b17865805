package compat

import (
	"context"
	"fmt"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/kubernetes"

	"kube-aws-iam-controller/test/kit"
)

// guardRefuses has a tenant try to get at the credentials of another ServiceAccount, and a thief with the controller's token
// at other Secrets.
func (r *run) guardRefuses(t *testing.T) {
	t.Helper()
	namespace := r.NewNamespace(t)
	tenant, err := kubernetes.NewForConfig(r.TenantConfig(t, namespace))
	require.NoError(t, err)
	require.NoError(t, kit.LetDebug(t.Context(), r.Access, namespace))
	role, objects := r.role(t, namespace), kit.In(r.Access, namespace)
	_, err = objects.Account(t.Context(), "app", map[string]string{"role": role})
	require.NoError(t, err)
	_, err = objects.Account(t.Context(), "other", nil)
	require.NoError(t, err)
	r.served(t, namespace, "app.aws-iam", role)
	refer := func(ctx context.Context, way, account string) error {
		return kit.Refer(ctx, tenant.CoreV1().Pods(namespace), account, func(s *corev1.PodSpec) { kit.SecretReferences[way](s, "app.aws-iam") })
	}
	require.NoError(t, kit.Eventually(t.Context(), kit.Within, func(ctx context.Context) error { // each policy takes its moment
		if refused := refer(ctx, "imagePullSecrets.name", "other"); !apierrors.IsForbidden(refused) {
			return fmt.Errorf("not refused: %w", refused)
		}
		return nil
	}))
	for way := range kit.SecretReferences {
		require.NoError(t, refer(t.Context(), way, "app"), "its own, by %s", way)
		err = refer(t.Context(), way, "other")
		assert.True(t, apierrors.IsForbidden(err), "%s: %v", way, err)
		require.ErrorContains(t, err, "this pod runs as ServiceAccount other, and ", way)
	}
	r.secretsAreKept(t, tenant, namespace)
	r.controllerIsKept(t, namespace)
}

// secretsAreKept has a tenant write the controller's Secrets.
func (r *run) secretsAreKept(t *testing.T, tenant kubernetes.Interface, namespace string) {
	t.Helper()
	secrets := tenant.CoreV1().Secrets(namespace)
	for what, patch := range map[string]string{
		"data":          `{"data":{"role-arn":"eA=="}}`,
		"no labels":     `{"metadata":{"labels":null}}`,
		"an annotation": `{"metadata":{"annotations":{"iam.amazonaws.com/role-arn":"x"}}}`,
	} {
		_, err := secrets.Patch(t.Context(), "app.aws-iam", types.MergePatchType, []byte(patch), metav1.PatchOptions{})
		assert.True(t, apierrors.IsForbidden(err), "%s: %v", what, err)
		require.ErrorContains(t, err, "only it may write it", what)
	}
	_, err := secrets.Create(t.Context(), &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Name: "other.aws-iam"}}, metav1.CreateOptions{})
	assert.True(t, apierrors.IsForbidden(err), "%v", err)
	_, err = secrets.Create(t.Context(), &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Name: "mine"}}, metav1.CreateOptions{})
	require.NoError(t, err, "a Secret of the tenant's own")
}

// controllerIsKept has the controller's token write the tenant's Secret.
func (r *run) controllerIsKept(t *testing.T, namespace string) {
	t.Helper()
	config, err := r.ServiceAccountConfig(t.Context(), kit.Namespace, kit.Account)
	require.NoError(t, err)
	thief, err := kubernetes.NewForConfig(config)
	require.NoError(t, err)
	_, err = thief.CoreV1().Secrets(namespace).Patch(t.Context(), "mine", types.MergePatchType, []byte(`{"data":{"k":"eA=="}}`), metav1.PatchOptions{})
	assert.True(t, apierrors.IsForbidden(err), "%v", err)
	require.ErrorContains(t, err, "kube-aws-iam-controller-guard-controller")
}
