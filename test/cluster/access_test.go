package cluster_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	authenticationv1 "k8s.io/api/authentication/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"

	"kube-aws-iam-controller/test/cluster"
)

func TestServiceAccountMayDoWhatItsRoleAllows(t *testing.T) {
	control := shared.Get(t)
	namespace := control.NewNamespace(t)
	kubeconfig, err := control.ServiceAccountKubeconfig(t.Context(), namespace, "default")
	require.NoError(t, err)
	config, err := clientcmd.BuildConfigFromFlags("", kubeconfig)
	require.NoError(t, err)
	secrets := clientFor(t, config).CoreV1().Secrets(namespace)

	_, err = secrets.List(t.Context(), metav1.ListOptions{})
	require.True(t, apierrors.IsForbidden(err), "before it has a role: %v", err)

	allowListingSecrets(t, control, namespace)
	require.Eventually(t, func() bool {
		_, listErr := secrets.List(t.Context(), metav1.ListOptions{})
		return listErr == nil
	}, patience, interval, "its role allows to list")
	err = secrets.Delete(t.Context(), "any", metav1.DeleteOptions{})
	assert.True(t, apierrors.IsForbidden(err), "its role does not allow to delete: %v", err)
}

func TestServiceAccountHasToExist(t *testing.T) {
	_, err := shared.Get(t).ServiceAccountKubeconfig(t.Context(), "default", "nobody")
	assert.True(t, apierrors.IsNotFound(err), "%v", err)
}

func TestUserIsWhoTheConfigSays(t *testing.T) {
	config := shared.Get(t).UserConfig("jane", "developers")
	review, err := clientFor(t, config).AuthenticationV1().SelfSubjectReviews().Create(t.Context(),
		&authenticationv1.SelfSubjectReview{}, metav1.CreateOptions{})
	require.NoError(t, err)
	assert.Equal(t, "jane", review.Status.UserInfo.Username)
	assert.ElementsMatch(t, []string{"developers", "system:authenticated"}, review.Status.UserInfo.Groups)
}

func TestKubectlApplies(t *testing.T) {
	control := shared.Get(t)
	namespace := control.NewNamespace(t)
	manifest := strings.NewReader("{apiVersion: v1, kind: ConfigMap, metadata: {name: colours}, data: {sky: blue}}")
	_, err := control.KubectlInput(t.Context(), manifest, "apply", "-n", namespace, "-f", "-")
	require.NoError(t, err)

	out, err := control.Kubectl(t.Context(), "get", "configmap", "colours", "-n", namespace, "-o", "jsonpath={.data.sky}")
	require.NoError(t, err)
	assert.Equal(t, "blue", out)

	_, err = control.Kubectl(t.Context(), "get", "configmap", "missing", "-n", namespace)
	require.ErrorContains(t, err, `configmaps "missing" not found`)
}

func TestFromKubeconfigLeadsToTheSameCluster(t *testing.T) {
	control := shared.Get(t)
	namespace := control.NewNamespace(t)
	access, err := cluster.FromKubeconfig(t.Context(), control.AdminKubeconfig(), nil)
	require.NoError(t, err)

	out, err := access.Kubectl(t.Context(), "get", "namespace", namespace, "-o", "name")
	require.NoError(t, err)
	assert.Equal(t, "namespace/"+namespace+"\n", out)
	kubeconfig, err := access.ServiceAccountKubeconfig(t.Context(), namespace, "default")
	require.NoError(t, err)
	assert.FileExists(t, kubeconfig)

	require.NoError(t, access.Close())
	assert.NoFileExists(t, kubeconfig)
	assert.FileExists(t, control.AdminKubeconfig(), "what was there before stays")
}

func TestRequestCountsGrowByWhatIsAsked(t *testing.T) {
	control := shared.Get(t)
	namespace := control.NewNamespace(t)
	// Nobody else creates these, or lists those, so that the numbers are exact.
	create := cluster.Request{Verb: "POST", Resource: "podtemplates", Scope: "resource"}
	list := cluster.Request{Verb: "LIST", Resource: "limitranges", Scope: "cluster"}
	before, err := control.RequestCounts(t.Context())
	require.NoError(t, err)

	for _, name := range []string{"a", "b", "c"} {
		_, err = control.Client().CoreV1().PodTemplates(namespace).Create(t.Context(), podTemplate(name), metav1.CreateOptions{})
		require.NoError(t, err)
	}
	_, err = control.Client().CoreV1().LimitRanges("").List(t.Context(), metav1.ListOptions{})
	require.NoError(t, err)

	after, err := control.RequestCounts(t.Context())
	require.NoError(t, err)
	assert.InDelta(t, 3, after[create]-before[create], 0)
	assert.InDelta(t, 1, after[list]-before[list], 0)
}

func TestAuditTellsWhoAsked(t *testing.T) {
	control := shared.Get(t)
	client := clientFor(t, control.UserConfig("mallory"))
	_, err := client.CoreV1().Secrets("kube-system").Get(t.Context(), "treasure", metav1.GetOptions{})
	require.True(t, apierrors.IsForbidden(err))

	events, err := control.AuditEvents()
	require.NoError(t, err)
	var asked []string
	for _, event := range events {
		if event.ImpersonatedUser != nil && event.ImpersonatedUser.Username == "mallory" {
			asked = append(asked, event.Verb+" "+event.ObjectRef.Resource+" "+event.ObjectRef.Name)
		}
	}
	assert.Equal(t, []string{"get secrets treasure"}, asked)
}

func clientFor(t *testing.T, config *rest.Config) kubernetes.Interface {
	t.Helper()
	client, err := kubernetes.NewForConfig(config)
	require.NoError(t, err)
	return client
}

func allowListingSecrets(t *testing.T, control *cluster.Cluster, namespace string) {
	t.Helper()
	rbac := control.Client().RbacV1()
	_, err := rbac.Roles(namespace).Create(t.Context(), &rbacv1.Role{
		ObjectMeta: metav1.ObjectMeta{Name: "reader"},
		Rules:      []rbacv1.PolicyRule{{APIGroups: []string{""}, Resources: []string{"secrets"}, Verbs: []string{"list"}}},
	}, metav1.CreateOptions{})
	require.NoError(t, err)
	_, err = rbac.RoleBindings(namespace).Create(t.Context(), &rbacv1.RoleBinding{
		ObjectMeta: metav1.ObjectMeta{Name: "reader"},
		RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "Role", Name: "reader"},
		Subjects:   []rbacv1.Subject{{Kind: rbacv1.ServiceAccountKind, Namespace: namespace, Name: "default"}},
	}, metav1.CreateOptions{})
	require.NoError(t, err)
}

func podTemplate(name string) *corev1.PodTemplate {
	return &corev1.PodTemplate{
		ObjectMeta: metav1.ObjectMeta{Name: name},
		Template: corev1.PodTemplateSpec{
			ObjectMeta: metav1.ObjectMeta{Labels: map[string]string{"app": name}},
			Spec:       corev1.PodSpec{Containers: []corev1.Container{{Name: "app", Image: "app"}}},
		},
	}
}
