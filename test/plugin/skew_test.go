package plugin

import (
	"bytes"
	"context"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/cli-runtime/pkg/genericiooptions"
	"kube-aws-iam-controller/internal/cli"

	"kube-aws-iam-controller/test/cluster"
	"kube-aws-iam-controller/test/kit"
)

// runVersion runs the plugin as one of a version, and returns what it says on standard error.
func runVersion(t *testing.T, control *cluster.Cluster, version string, args ...string) (stdout, stderr string) {
	t.Helper()
	var out, errOut bytes.Buffer
	streams := genericiooptions.IOStreams{In: &bytes.Buffer{}, Out: &out, ErrOut: &errOut}
	_ = cli.Run(t.Context(), version, append(args, "--kubeconfig", control.AdminKubeconfig()), streams)
	return out.String(), errOut.String()
}

// Every command that looks for a controller says that it is of another version, also to whoever may see only its namespace.
func TestEveryCommandSaysOnceThatTheControllerIsOfAnotherVersion(t *testing.T) {
	control := shared.Get(t)
	_, err := kit.Install(t.Context(), control.Access)
	require.NoError(t, err)
	namespace := control.NewNamespace(t)
	deployment := &appsv1.Deployment{ObjectMeta: metav1.ObjectMeta{Name: "iam", Labels: map[string]string{"app.kubernetes.io/name": "kube-aws-iam-controller"}}}
	deployment.Spec.Selector = &metav1.LabelSelector{MatchLabels: map[string]string{"app": "iam"}}
	deployment.Spec.Template.Labels = map[string]string{"app": "iam"}
	deployment.Spec.Template.Spec.Containers = []corev1.Container{{
		Name: "controller", Image: "registry.example/controller:v1.2.3", Args: []string{"--namespace=" + namespace, "--cluster-name=test"},
	}}
	_, err = control.Client().AppsV1().Deployments(namespace).Create(t.Context(), deployment, metav1.CreateOptions{})
	require.NoError(t, err)
	t.Cleanup(func() {
		assert.NoError(t, control.Client().AppsV1().Deployments(namespace).Delete(context.Background(), "iam", metav1.DeleteOptions{}))
	})
	_, err = control.Kubectl(t.Context(), "create", "rolebinding", "viewer", "--clusterrole=view", "--user=viewer-of-"+namespace, "--namespace="+namespace)
	require.NoError(t, err)
	require.NoError(t, kit.Eventually(t.Context(), within, func(ctx context.Context) error {
		_, failed := control.Kubectl(ctx, "get", "deployments", "--as=viewer-of-"+namespace, "--namespace="+namespace)
		return failed
	}))

	warning := "warning: kubectl aws-iam is v1.3.0 and the controller " + namespace + "/iam is v1.2.3: "
	for _, command := range []string{
		"status", "status --output=json", "explain serviceaccount/default", "explain serviceaccount/default --output=yaml", "version",
		"migrate --from-cluster", "trust-policy " + namespace, "bootstrap --dry-run --controller=" + namespace + "/iam",
		"uninstall --dry-run --managed-roles=retain --controller=" + namespace + "/iam",
		"status --as=viewer-of-" + namespace, "explain serviceaccount/default --as=viewer-of-" + namespace, "migrate --from-cluster --as=viewer-of-" + namespace,
	} {
		t.Run(command, func(t *testing.T) {
			args := append(strings.Fields(command), "--namespace="+namespace)
			stdout, stderr := runVersion(t, control, "v1.3.0", args...)
			assert.Equal(t, 1, strings.Count(stderr, warning), stderr)
			assert.NotContains(t, stdout, warning, "it would spoil what is printed")
			_, stderr = runVersion(t, control, "v1.2.0", args...)
			assert.NotContains(t, stderr, "warning: kubectl aws-iam is", "the same minor version")
		})
	}
	t.Run("check", func(t *testing.T) {
		stdout, stderr := runVersion(t, control, "v1.3.0", "check", "--namespace="+namespace)
		assert.Contains(t, stdout, "warning  version     the controller has the version v1.2.3, this plugin v1.3.0")
		assert.Empty(t, stderr, "it is in the findings already")
	})
}
