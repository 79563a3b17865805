package cluster_test

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"kube-aws-iam-controller/test/cluster"
)

// TestAPackageLeavesNoReplicas shows what the controllers of the next package would count as theirs.
func TestAPackageLeavesNoReplicas(t *testing.T) {
	control := shared.Get(t)
	core := control.Client().CoreV1()
	labels := map[string]string{"app": "replica"}
	spec := corev1.PodSpec{
		AutomountServiceAccountToken: new(false),
		Containers:                   []corev1.Container{{Name: "c", Image: "registry.example/c"}},
	}
	_, err := core.Pods(metav1.NamespaceSystem).Create(t.Context(), &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Name: "alone"}, Spec: spec,
	}, metav1.CreateOptions{})
	require.NoError(t, err)
	_, err = control.Client().AppsV1().Deployments(metav1.NamespaceSystem).Create(t.Context(), &appsv1.Deployment{
		ObjectMeta: metav1.ObjectMeta{Name: "controller"},
		Spec: appsv1.DeploymentSpec{
			Replicas: new(int32(2)), Selector: &metav1.LabelSelector{MatchLabels: labels},
			Template: corev1.PodTemplateSpec{ObjectMeta: metav1.ObjectMeta{Labels: labels}, Spec: spec},
		},
	}, metav1.CreateOptions{})
	require.NoError(t, err)
	require.Eventually(t, func() bool {
		pods, failed := core.Pods(metav1.NamespaceSystem).List(t.Context(), metav1.ListOptions{})
		return failed == nil && len(pods.Items) == 3
	}, patience, interval, "the pods are there")

	attached, err := cluster.Attach(t.Context(), control.Dir(), cluster.Options{})
	require.NoError(t, err)
	require.NoError(t, attached.Leave(t.Context()))
	require.NoError(t, attached.Close())
	pods, err := core.Pods(metav1.NamespaceSystem).List(t.Context(), metav1.ListOptions{})
	require.NoError(t, err)
	assert.Empty(t, pods.Items)
}
