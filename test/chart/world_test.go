package chart

import (
	"context"
	"fmt"
	"os"
	"testing"

	"github.com/stretchr/testify/require"
	"helm.sh/helm/v4/pkg/action"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"kube-aws-iam-controller/test/cluster"
	"kube-aws-iam-controller/test/kit"
)

// What is installed concerns all of a cluster.
var shared = cluster.Shared{Apart: true}

func TestMain(m *testing.M) { os.Exit(shared.Run(m)) }

// A world is a cluster, and a namespace that releases go to.
type world struct {
	*cluster.Cluster

	t         *testing.T
	namespace string
}

func newWorld(t *testing.T, namespace string) *world {
	t.Helper()
	return &world{Cluster: shared.Get(t), t: t, namespace: namespace}
}

func (w *world) helm() Helm { return Helm{Kubeconfig: w.AdminKubeconfig(), Namespace: w.namespace} }

// install is helm install, and uninstalls at the end what the test has not uninstalled itself.
func (w *world) install(text string, options ...func(*action.Install)) error {
	w.t.Helper()
	w.t.Cleanup(w.uninstall)
	return w.helm().Install(w.t.Context(), values(w.t, text), options...)
}

// upgrade is helm upgrade.
func (w *world) upgrade(text string) error {
	w.t.Helper()
	return w.upgradeTo(values(w.t, text))
}

func (w *world) upgradeTo(changed map[string]any) error {
	w.t.Helper()
	return w.helm().Upgrade(w.t.Context(), changed)
}

// uninstall is helm uninstall, of a release that may not be there.
func (w *world) uninstall() {
	w.t.Helper()
	require.NoError(w.t, w.helm().Uninstall())
}

func (w *world) deployment() *appsv1.Deployment {
	w.t.Helper()
	found, err := w.Client().AppsV1().Deployments(w.namespace).Get(w.t.Context(), Name, metav1.GetOptions{})
	require.NoError(w.t, err)
	return found
}

// account creates the ServiceAccount app, which asks for the role demo-app.
func (w *world) account(namespace string) {
	w.t.Helper()
	_, err := w.Client().CoreV1().ServiceAccounts(namespace).Create(w.t.Context(), &corev1.ServiceAccount{
		ObjectMeta: metav1.ObjectMeta{Name: "app", Annotations: map[string]string{"iam.amazonaws.com/role": "demo-app"}},
	}, metav1.CreateOptions{})
	require.NoError(w.t, err)
}

// pod is what the API server makes of a pod of that ServiceAccount.
func (w *world) pod(ctx context.Context, namespace string) (*corev1.Pod, error) {
	return w.Client().CoreV1().Pods(namespace).Create(ctx, &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Name: "p"},
		Spec: corev1.PodSpec{
			ServiceAccountName: "app", AutomountServiceAccountToken: new(false),
			Containers: []corev1.Container{{Name: "c", Image: "registry.example.com/c"}},
		},
	}, metav1.CreateOptions{DryRun: []string{metav1.DryRunAll}})
}

// awaitRegion waits until its pods are given a Region; "" for pods that are given nothing.
func (w *world) awaitRegion(namespace, want string) {
	w.t.Helper()
	require.NoError(w.t, kit.Eventually(w.t.Context(), kit.Within, func(ctx context.Context) error {
		made, err := w.pod(ctx, namespace)
		if err != nil {
			return err
		}
		got := ""
		for _, variable := range made.Spec.Containers[0].Env {
			if variable.Name == "AWS_REGION" {
				got = variable.Value
			}
		}
		if got != want {
			err = fmt.Errorf("AWS_REGION is %q", got)
		}
		return err
	}))
}
