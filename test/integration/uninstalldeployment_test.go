package integration

import (
	"github.com/stretchr/testify/require"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"kube-aws-iam-controller/test/kit"
)

// deploy creates a Deployment as the manifests do, of the name of the test's namespace, and the rights of the Job.
func (w *installed) deploy(replicas int32, args ...string) {
	w.t.Helper()
	ctx := w.t.Context()
	w.deployment = w.namespace
	args = append(args, "--cluster-name=test", "--permissions-boundary="+w.aws.Boundary, "--role-ready-timeout=2s")
	_, err := w.Client().AppsV1().Deployments(kit.Namespace).Create(ctx, controllerDeployment(w.deployment, replicas, args...), metav1.CreateOptions{})
	require.NoError(w.t, err)
	w.grant([]rbacv1.PolicyRule{
		{Verbs: []string{"get"}, APIGroups: []string{"apps"}, Resources: []string{"deployments"}, ResourceNames: []string{w.deployment}},
		{Verbs: []string{"get", "patch"}, APIGroups: []string{"apps"}, Resources: []string{"deployments/scale"}, ResourceNames: []string{w.deployment}},
	})
}

// controllerDeployment is one as the manifests have it.
func controllerDeployment(name string, replicas int32, args ...string) *appsv1.Deployment {
	labels := map[string]string{"app.kubernetes.io/name": kit.Account, "test": name}
	return &appsv1.Deployment{
		ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: kit.Namespace, Labels: labels},
		Spec: appsv1.DeploymentSpec{
			Replicas: &replicas, Selector: &metav1.LabelSelector{MatchLabels: labels},
			Template: corev1.PodTemplateSpec{
				ObjectMeta: metav1.ObjectMeta{Labels: labels},
				Spec: corev1.PodSpec{
					ServiceAccountName: kit.Account,
					Containers:         []corev1.Container{{Name: "controller", Image: "registry.example.com/c", Args: args}},
				},
			},
		},
	}
}

// grant gives the controller's ServiceAccount rights in its namespace.
func (w *installed) grant(rules []rbacv1.PolicyRule) {
	w.t.Helper()
	ctx, rbac := w.t.Context(), w.Client().RbacV1()
	meta := metav1.ObjectMeta{Name: "uninstall-" + w.deployment, Namespace: kit.Namespace}
	_, err := rbac.Roles(kit.Namespace).Create(ctx, &rbacv1.Role{ObjectMeta: meta, Rules: rules}, metav1.CreateOptions{})
	require.NoError(w.t, err)
	_, err = rbac.RoleBindings(kit.Namespace).Create(ctx, &rbacv1.RoleBinding{
		ObjectMeta: meta, RoleRef: rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "Role", Name: meta.Name},
		Subjects: []rbacv1.Subject{{Kind: rbacv1.ServiceAccountKind, Name: kit.Account, Namespace: kit.Namespace}},
	}, metav1.CreateOptions{})
	require.NoError(w.t, err)
}

func (w *installed) replicas() int32 {
	w.t.Helper()
	found, err := w.Client().AppsV1().Deployments(kit.Namespace).Get(w.t.Context(), w.deployment, metav1.GetOptions{})
	require.NoError(w.t, err)
	return *found.Spec.Replicas
}

// recorded is how many replicas the Lease says that there were, "" for nothing.
func (w *installed) recorded() string {
	w.t.Helper()
	lease, err := w.Client().CoordinationV1().Leases(kit.Namespace).Get(w.t.Context(), w.namespace, metav1.GetOptions{})
	require.NoError(w.t, err)
	return lease.Annotations["iam.amazonaws.com/replicas"]
}
