package admission

import (
	"context"
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

const (
	finalizer = "iam.amazonaws.com/role"
	roleARN   = "iam.amazonaws.com/role-arn"
)

// labels of the controller's Secrets, by source.
var labels = map[string]map[string]string{
	"serviceaccount": {"app.kubernetes.io/managed-by": "kube-aws-iam-controller", "iam.amazonaws.com/source": "serviceaccount"},
	"awsiamrole":     {"heritage": "kube-aws-iam-controller", "type": "awsiamrole"},
}

// exempt is a client that acts as one of those whom the guard lets write everything.
func (g *guarded) exempt() kubernetes.Interface {
	g.t.Helper()
	config := g.UserConfig("system:serviceaccount:"+kit.Namespace+":generic-garbage-collector", "system:masters") // whatever RBAC says
	client, err := kubernetes.NewForConfig(config)
	require.NoError(g.t, err)
	return client
}

// patch has a tenant change a Secret or ServiceAccount.
func (g *guarded) patch(resource, name, patch string) error {
	var err error
	if resource == "secret" {
		_, err = g.tenant.CoreV1().Secrets(g.namespace).Patch(g.t.Context(), name, types.MergePatchType, []byte(patch), metav1.PatchOptions{})
	} else {
		_, err = g.tenant.CoreV1().ServiceAccounts(g.namespace).Patch(g.t.Context(), name, types.MergePatchType, []byte(patch), metav1.PatchOptions{})
	}
	return err
}

func TestTheGuardLetsOnlyTheControllerWriteItsSecrets(t *testing.T) {
	g := newGuarded(t)
	secrets := g.tenant.CoreV1().Secrets(g.namespace)
	for source, name := range map[string]string{"serviceaccount": "app.aws-iam", "awsiamrole": "db"} {
		forged := secret("forged")
		forged.Labels = labels[source]
		_, err := secrets.Create(t.Context(), forged, metav1.CreateOptions{})
		assert.True(t, apierrors.IsForbidden(err), "%v", err)
		require.ErrorContains(t, err, "When copying or restoring, leave the Secret forged out: it is created again once its ServiceAccount or AWSIAMRole is there. "+
			"For a Secret of your own choose another name, and leave out those labels")

		kept := secret(name)
		kept.Labels = labels[source]
		_, err = g.exempt().CoreV1().Secrets(g.namespace).Create(t.Context(), kept, metav1.CreateOptions{})
		require.NoError(t, err)
		for what, patch := range map[string]string{
			"data":                 `{"data":{"k":"eA=="}}`,
			"more data":            `{"stringData":{"more":"x"}}`,
			"no data":              `{"data":null}`,
			"immutable":            `{"immutable":true}`,
			"no labels":            `{"metadata":{"labels":null}}`,
			"a label":              `{"metadata":{"labels":{"a":"b"}}}`,
			"no record of writers": `{"metadata":{"managedFields":[{}]}}`,
			"an annotation":        `{"metadata":{"annotations":{"iam.amazonaws.com/role-arn":"x"}}}`,
			"a finalizer":          `{"metadata":{"finalizers":["example.com/stay"]}}`,
			"an owner":             `{"metadata":{"ownerReferences":[{"apiVersion":"v1","kind":"Pod","name":"p","uid":"u"}]}}`,
		} {
			err = g.patch("secret", name, patch)
			require.True(t, apierrors.IsForbidden(err), "%s: %v", what, err)
			require.ErrorContains(t, err, "the Secret "+name+" is managed by kube-aws-iam-controller, and only it may write it: change the ServiceAccount or AWSIAMRole that it belongs to. "+
				"For new credentials at once delete it, with kubectl delete secret "+name, what)
		}
		require.NoError(t, g.patch("secret", name, `{"metadata":{"labels":{}}}`), "as it is, as what stores objects anew writes it")
		require.NoError(t, secrets.Delete(t.Context(), name, metav1.DeleteOptions{}), "for new credentials")
	}
	_, err := secrets.Create(t.Context(), secret("app.aws-iam"), metav1.CreateOptions{})
	require.ErrorContains(t, err, "leave the Secret app.aws-iam out")

	_, err = secrets.Create(t.Context(), secret("mine"), metav1.CreateOptions{})
	require.NoError(t, err)
	require.NoError(t, g.patch("secret", "mine", `{"stringData":{"k":"w"}}`))
	err = g.patch("secret", "mine", `{"metadata":{"labels":{"iam.amazonaws.com/source":"serviceaccount"}}}`)
	assert.True(t, apierrors.IsForbidden(err), "%v", err)
	require.ErrorContains(t, err, "remove them from the Secret mine")
	require.NoError(t, secrets.Delete(t.Context(), "mine", metav1.DeleteOptions{}))
}

func TestWhatIsGuardedGoesWithItsOwnerAndNamespace(t *testing.T) {
	g := newGuarded(t)
	owner, err := g.tenant.CoreV1().ServiceAccounts(g.namespace).Get(t.Context(), "app", metav1.GetOptions{})
	require.NoError(t, err)
	for _, name := range []string{"app.aws-iam", "other.aws-iam"} {
		kept := secret(name)
		kept.Labels = labels["serviceaccount"]
		if name == "app.aws-iam" {
			kept.OwnerReferences = []metav1.OwnerReference{{APIVersion: "v1", Kind: "ServiceAccount", Name: "app", UID: owner.UID}}
		}
		_, err = g.exempt().CoreV1().Secrets(g.namespace).Create(t.Context(), kept, metav1.CreateOptions{})
		require.NoError(t, err)
	}
	require.NoError(t, g.tenant.CoreV1().ServiceAccounts(g.namespace).Delete(t.Context(), "app", metav1.DeleteOptions{}))
	g.gone(func(ctx context.Context) error {
		_, err := g.Client().CoreV1().Secrets(g.namespace).Get(ctx, "app.aws-iam", metav1.GetOptions{})
		return err
	})
	require.NoError(t, g.Client().CoreV1().Namespaces().Delete(t.Context(), g.namespace, metav1.DeleteOptions{}))
	g.gone(func(ctx context.Context) error {
		_, err := g.Client().CoreV1().Namespaces().Get(ctx, g.namespace, metav1.GetOptions{})
		return err
	})
}

// gone waits until something is not found.
func (g *guarded) gone(get func(context.Context) error) {
	g.t.Helper()
	require.NoError(g.t, kit.Eventually(g.t.Context(), within, func(ctx context.Context) error {
		err := get(ctx)
		if apierrors.IsNotFound(err) {
			return nil
		}
		if err == nil {
			err = apierrors.NewConflict(corev1.Resource("objects"), "it", nil)
		}
		return err
	}))
}

func TestTheGuardLetsOnlyTheControllerWriteItsMarksOnServiceAccounts(t *testing.T) {
	g := newGuarded(t)
	accounts := g.tenant.CoreV1().ServiceAccounts(g.namespace)
	for what, change := range map[string]func(*corev1.ServiceAccount){
		"annotation": func(a *corev1.ServiceAccount) { a.Annotations = map[string]string{roleARN: "x"} },
		"finalizer":  func(a *corev1.ServiceAccount) { a.Finalizers = []string{finalizer} },
	} {
		forged := account("forged")
		change(forged)
		_, err := accounts.Create(t.Context(), forged, metav1.CreateOptions{})
		require.True(t, apierrors.IsForbidden(err), "%s: %v", what, err)
		require.ErrorContains(t, err, " of the ServiceAccount forged is ", what)
		require.ErrorContains(t, err, "when copying or restoring a ServiceAccount, leave it out", what)
	}
	put := `{"metadata":{"annotations":{"` + roleARN + `":"x"},"finalizers":["` + finalizer + `"]}}`
	require.Error(t, g.patch("serviceaccount", "app", put))
	_, err := g.exempt().CoreV1().ServiceAccounts(g.namespace).Patch(t.Context(), "app", types.MergePatchType, []byte(put), metav1.PatchOptions{})
	require.NoError(t, err)
	for what, patch := range map[string]string{
		"another ARN":  `{"metadata":{"annotations":{"` + roleARN + `":"y"}}}`,
		"no ARN":       `{"metadata":{"annotations":{"` + roleARN + `":null}}}`,
		"no finalizer": `{"metadata":{"finalizers":null}}`,
	} {
		err = g.patch("serviceaccount", "app", patch)
		require.True(t, apierrors.IsForbidden(err), "%s: %v", what, err)
		require.ErrorContains(t, err, "when replacing a ServiceAccount, keep it as it is, or use kubectl apply", what)
	}
	require.NoError(t, g.patch("serviceaccount", "app",
		`{"metadata":{"labels":{"a":"b"},"annotations":{"iam.amazonaws.com/role":"r"},"finalizers":["`+finalizer+`","example.com/mine"]}}`), "what is a tenant's")
	require.NoError(t, accounts.Delete(t.Context(), "app", metav1.DeleteOptions{}), "it goes once the controller lets it")
	_, err = g.exempt().CoreV1().ServiceAccounts(g.namespace).Patch(t.Context(), "app", types.MergePatchType,
		[]byte(`{"metadata":{"finalizers":null}}`), metav1.PatchOptions{})
	require.NoError(t, err)
}
