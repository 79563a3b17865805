package integration

import (
	"github.com/stretchr/testify/require"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"kube-aws-iam-controller/test/kit"
)

// deployment creates a Deployment in the controller's namespace, whose pods no node runs, that the command may scale.
func (w *installed) deployment(replicas int32) string {
	w.t.Helper()
	ctx, rbac, name := w.t.Context(), w.Client().RbacV1(), w.namespace
	labels := map[string]string{"app": name}
	_, err := w.Client().AppsV1().Deployments(kit.Namespace).Create(ctx, &appsv1.Deployment{
		ObjectMeta: metav1.ObjectMeta{Name: name},
		Spec: appsv1.DeploymentSpec{
			Replicas: &replicas, Selector: &metav1.LabelSelector{MatchLabels: labels},
			Template: corev1.PodTemplateSpec{
				ObjectMeta: metav1.ObjectMeta{Labels: labels},
				Spec:       corev1.PodSpec{Containers: []corev1.Container{{Name: "c", Image: "registry.example.com/c"}}},
			},
		},
	}, metav1.CreateOptions{})
	require.NoError(w.t, err)
	meta := metav1.ObjectMeta{Name: "scale-" + name, Namespace: kit.Namespace}
	_, err = rbac.Roles(kit.Namespace).Create(ctx, &rbacv1.Role{ObjectMeta: meta, Rules: []rbacv1.PolicyRule{{
		Verbs: []string{"get", "patch"}, APIGroups: []string{"apps"}, Resources: []string{"deployments/scale"}, ResourceNames: []string{name},
	}}}, metav1.CreateOptions{})
	require.NoError(w.t, err)
	_, err = rbac.RoleBindings(kit.Namespace).Create(ctx, &rbacv1.RoleBinding{
		ObjectMeta: meta, RoleRef: rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "Role", Name: meta.Name},
		Subjects: []rbacv1.Subject{{Kind: rbacv1.ServiceAccountKind, Name: kit.Account, Namespace: kit.Namespace}},
	}, metav1.CreateOptions{})
	require.NoError(w.t, err)
	return name
}

func (w *installed) replicas(deployment string) int32 {
	w.t.Helper()
	found, err := w.Client().AppsV1().Deployments(kit.Namespace).Get(w.t.Context(), deployment, metav1.GetOptions{})
	require.NoError(w.t, err)
	return *found.Spec.Replicas
}
