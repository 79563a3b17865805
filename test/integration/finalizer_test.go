package integration

import (
	"context"
	"fmt"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/metadata"
	"k8s.io/client-go/metadata/metadatainformer"
	"kube-aws-iam-controller/internal/awssim"
	"kube-aws-iam-controller/internal/identity"
	"kube-aws-iam-controller/internal/serviceaccount"

	"kube-aws-iam-controller/test/kit"
)

// What a fake API server does not know: the uid of an applied object, and what it refuses of one that is being deleted.
func TestTheFinalizerIsPutOnTheVeryServiceAccountAndNoOther(t *testing.T) {
	w := newWorld(t)
	client, err := metadata.NewForConfig(w.AdminConfig())
	require.NoError(t, err)
	empty := metadatainformer.NewSharedInformerFactory(client, 0).ForResource(serviceaccount.Resource).Informer() // never run
	s := serviceaccount.NewSource(client, empty, serviceaccount.Config{})
	accounts := w.Client().CoreV1().ServiceAccounts(w.namespace)
	made, err := accounts.Create(t.Context(), &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{
		Name: "app", Finalizers: []string{"example.org/theirs"}, Annotations: own,
	}}, metav1.CreateOptions{})
	require.NoError(t, err)
	finalizers := func() []string {
		account, failure := accounts.Get(t.Context(), "app", metav1.GetOptions{})
		require.NoError(t, failure)
		assert.Equal(t, own, account.Annotations)
		return account.Finalizers
	}
	want := identity.Desired{Key: identity.Key{Source: identity.ServiceAccount, Namespace: w.namespace, Name: "app"}, UID: string(made.UID)}
	other := want
	other.UID = "7a0f3ea8-0000-0000-0000-000000000000"
	require.Error(t, s.AddFinalizer(t.Context(), other), "another that had the name")
	assert.Equal(t, []string{"example.org/theirs"}, finalizers())
	for range 2 {
		for range 2 {
			require.NoError(t, s.AddFinalizer(t.Context(), want))
			assert.ElementsMatch(t, []string{"example.org/theirs", "iam.amazonaws.com/role"}, finalizers())
		}
		require.NoError(t, s.RemoveFinalizer(t.Context(), want.Key))
		assert.Equal(t, []string{"example.org/theirs"}, finalizers())
	}

	require.NoError(t, accounts.Delete(t.Context(), "app", metav1.DeleteOptions{}))
	require.Error(t, s.AddFinalizer(t.Context(), want), "one that is being deleted")
	_, err = w.Kubectl(t.Context(), "patch", "serviceaccount", "app", "-n", w.namespace, "--type=merge", "-p", `{"metadata":{"finalizers":null}}`)
	require.NoError(t, err)
	require.Error(t, s.AddFinalizer(t.Context(), want), "one that is gone")
	_, err = accounts.Get(t.Context(), "app", metav1.GetOptions{})
	require.NoError(t, ignoreNotFound(err))
	require.Error(t, err, "and it was not made anew")
}

func TestARoleThatCannotBeDeletedIsCounted(t *testing.T) {
	w := newWorld(t)
	c := w.provisioning("--insecure-identity-metrics")
	w.accountWith("app", own)
	w.secret("app.aws-iam", nil)
	const count = `kube_aws_iam_controller_identities{source="serviceaccount",state="releasing"}`
	until := func(want float64) {
		t.Helper()
		require.NoError(t, kit.Eventually(t.Context(), kit.Within, func(ctx context.Context) error {
			got, err := c.Metric(ctx, count)
			if err == nil && got != want {
				err = fmt.Errorf("%v are being released", got)
			}
			return err
		}))
	}
	until(0)

	w.aws.SetFaults(awssim.Fault{Action: "DeleteRole", Code: "AccessDenied"})
	require.NoError(t, w.Client().CoreV1().ServiceAccounts(w.namespace).Delete(t.Context(), "app", metav1.DeleteOptions{}))
	w.event("ServiceAccount", "app", "ProvisionFailed")
	until(1)
	body, err := c.Get(t.Context(), "/metrics")
	require.NoError(t, err)
	assert.Contains(t, body, `identity_not_ready{name="app",namespace="`+w.namespace+`",reason="",source="serviceaccount",state="releasing"} 1`)

	w.aws.SetFaults()
	until(0)
}
