package chart

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"testing"

	"github.com/stretchr/testify/require"
	"helm.sh/helm/v4/pkg/action"
	"helm.sh/helm/v4/pkg/kube"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/cli-runtime/pkg/genericclioptions"

	"kube-aws-iam-controller/test/cluster"
	"kube-aws-iam-controller/test/kit"
)

// What is installed concerns all of a cluster.
var shared = cluster.Shared{Apart: true}

func TestMain(m *testing.M) {
	kube.ManagedFieldsManager = "helm" // by default the name of the program
	os.Exit(shared.Run(m))
}

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

// configuration is that of helm with the administrator's kubeconfig.
func (w *world) configuration() *action.Configuration {
	w.t.Helper()
	flags := genericclioptions.NewConfigFlags(false)
	kubeconfig := w.AdminKubeconfig()
	flags.KubeConfig, flags.Namespace = &kubeconfig, &w.namespace
	c := action.NewConfiguration(action.ConfigurationSetLogger(slog.DiscardHandler))
	require.NoError(w.t, c.Init(flags, w.namespace, "secret"))
	return c
}

// install is helm install, and uninstalls at the end what the test has not uninstalled itself. Nothing waits for pods,
// which no node runs.
func (w *world) install(text string, options ...func(*action.Install)) error {
	w.t.Helper()
	chart, err := Load()
	require.NoError(w.t, err)
	install := action.NewInstall(w.configuration())
	install.ReleaseName, install.Namespace, install.WaitStrategy = Name, w.namespace, kube.HookOnlyStrategy
	for _, option := range options {
		option(install)
	}
	_, err = install.RunWithContext(w.t.Context(), chart, values(w.t, text))
	w.t.Cleanup(w.uninstall)
	return err
}

// upgrade is helm upgrade.
func (w *world) upgrade(text string) error {
	w.t.Helper()
	return w.upgradeTo(values(w.t, text))
}

func (w *world) upgradeTo(changed map[string]any) error {
	w.t.Helper()
	chart, err := Load()
	require.NoError(w.t, err)
	upgrade := action.NewUpgrade(w.configuration())
	upgrade.Namespace, upgrade.WaitStrategy, upgrade.ServerSideApply = w.namespace, kube.HookOnlyStrategy, "auto"
	_, err = upgrade.RunWithContext(w.t.Context(), Name, chart, changed)
	return err
}

// uninstall is helm uninstall, of a release that may not be there.
func (w *world) uninstall() {
	w.t.Helper()
	uninstall := action.NewUninstall(w.configuration())
	uninstall.DisableHooks = true // no node runs the Job; test/e2e does
	uninstall.IgnoreNotFound, uninstall.WaitStrategy, uninstall.DeletionPropagation = true, kube.HookOnlyStrategy, "background"
	_, err := uninstall.Run(Name)
	require.NoError(w.t, err)
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
