package chart

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"helm.sh/helm/v4/pkg/action"
	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"

	"kube-aws-iam-controller/test/cluster"
	"kube-aws-iam-controller/test/kit"
)

// run runs the controller as the Deployment does, with its ServiceAccount, arguments and settings, but for where it
// listens: no node runs it. The returned AWS has a role demo-app for a namespace.
func (w *world) run(tenant string) *kit.Controller {
	w.t.Helper()
	port, err := cluster.FreePort(w.t.Context())
	require.NoError(w.t, err)
	return w.runAt(tenant, port)
}

// runAt serves the webhook at a port.
func (w *world) runAt(tenant string, port int) *kit.Controller {
	w.t.Helper()
	ctx := w.t.Context()
	aws, err := kit.StartAWS(ctx, "/")
	require.NoError(w.t, err)
	w.t.Cleanup(aws.Close)
	_, err = aws.Role(kit.AccountID, "", "demo-app", tenant+"/c")
	require.NoError(w.t, err)
	options, err := w.helm().Controller(ctx, w.Access, port)
	require.NoError(w.t, err)
	options.Log, options.Env = filepath.Join(w.t.TempDir(), "controller.log"), append(options.Env, aws.ControllerEnv()...)
	controller, err := kit.StartController(ctx, options)
	require.NoError(w.t, err)
	w.t.Cleanup(func() {
		controller.Kill()
		if log, _ := os.ReadFile(options.Log); w.t.Failed() {
			w.t.Logf("the end of the controller's log:\n%s", log[max(0, len(log)-10000):])
		}
	})
	return controller
}

// secret waits for a Secret with content.
func (w *world) secret(namespace, name string) (found *corev1.Secret) {
	w.t.Helper()
	require.NoError(w.t, kit.Eventually(w.t.Context(), kit.Within, func(ctx context.Context) (err error) {
		found, err = w.Client().CoreV1().Secrets(namespace).Get(ctx, name, metav1.GetOptions{})
		if err == nil && len(found.Data) == 0 {
			err = fmt.Errorf("the Secret %s is empty", name)
		}
		return err
	}))
	return found
}

// webhook waits until the controller has written who it is.
func (w *world) webhook() (config admissionregistrationv1.WebhookClientConfig) {
	w.t.Helper()
	require.NoError(w.t, kit.Eventually(w.t.Context(), kit.Within, func(ctx context.Context) error {
		found, err := w.Client().AdmissionregistrationV1().MutatingWebhookConfigurations().Get(ctx, "kube-aws-iam-controller-webhook", metav1.GetOptions{})
		if err != nil {
			return err
		}
		config = found.Webhooks[0].ClientConfig
		if len(config.CABundle) == 0 || config.Service.Path == nil || !strings.HasPrefix(*config.Service.Path, "/mutate-pods/") {
			err = errors.New("the webhook has no caBundle or no path")
		}
		return err
	}))
	return config
}

func TestTheControllerOfAReleaseKeepsWhatItWroteThroughAnUpgrade(t *testing.T) {
	w := newWorld(t, "iam")
	w.clear()
	require.NoError(t, w.install(`{clusterName: c, admission: {mode: webhook}}`, func(i *action.Install) { i.CreateNamespace = true }))
	tenant := w.NewNamespace(t)
	controller := w.run(tenant)
	w.account(tenant)
	credentials := w.secret(tenant, "app.aws-iam")
	certificate := w.secret(w.namespace, "kube-aws-iam-controller-webhook")
	webhook := w.webhook()

	require.NoError(t, w.upgrade(`{clusterName: c, admission: {mode: webhook}, logging: {debug: true}}`))
	assert.Equal(t, webhook, w.webhook())
	assert.Equal(t, certificate.Data, w.secret(w.namespace, "kube-aws-iam-controller-webhook").Data)
	assert.Equal(t, credentials.ResourceVersion, w.secret(tenant, "app.aws-iam").ResourceVersion, "nobody has written the credentials")

	_, err := controller.Stop(t.Context())
	require.NoError(t, err)
	w.uninstall()
	w.requireLeft(kept...)
	assert.Equal(t, credentials.UID, w.secret(tenant, "app.aws-iam").UID, "what pods use stays")
}

// TestWhatHelmTestRunsTellsWhetherTheCredentialsWork runs its command with the environment that its pod has.
func TestWhatHelmTestRunsTellsWhetherTheCredentialsWork(t *testing.T) {
	aws, err := kit.StartAWS(t.Context(), "/")
	require.NoError(t, err)
	defer aws.Close()
	binary, err := kit.Binary()
	require.NoError(t, err)
	made := render(t, `{clusterName: demo-cluster}`)
	settings, _ := find(made.Objects, "ConfigMap", "kube-aws-iam-controller-settings")
	data, _, err := unstructured.NestedStringMap(settings.Object, "data")
	require.NoError(t, err)
	var env []string
	for name, value := range data {
		env = append(env, name+"="+value)
	}
	hook, _ := find(made.Hooks, "Pod", "kube-aws-iam-controller-test")
	var pod corev1.Pod
	require.NoError(t, runtime.DefaultUnstructuredConverter.FromUnstructuredWithValidation(hook.Object, &pod, true))

	command := pod.Spec.Containers[slices.IndexFunc(pod.Spec.Containers, func(c corev1.Container) bool { return c.Name == "trust-policy" })].Args

	run := exec.CommandContext(t.Context(), binary, command...)
	run.Env = append(slices.Clone(env), aws.ControllerEnv()...)
	out, err := run.Output()
	require.NoError(t, err)
	assert.Contains(t, string(out), `"sts:ExternalId": "kube-system/demo-cluster"`)

	run = exec.CommandContext(t.Context(), binary, command...)
	run.Env = append(append(slices.Clone(env), aws.ControllerEnv()...), "AWS_SECRET_ACCESS_KEY=wrong")
	out, err = run.CombinedOutput()
	require.Error(t, err, "%s", out)
}
