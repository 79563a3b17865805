package admission

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strconv"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"kube-aws-iam-controller/test/cluster"
	"kube-aws-iam-controller/test/kit"
)

// name is that of the webhook's Secret and configuration.
const name = "kube-aws-iam-controller-webhook"

// A webhook is controllers that mutate pods.
type webhook struct {
	*world

	options kit.Options
	env     []string // besides that of options
	address string
}

// newWebhook installs what is shipped, but for where the webhook is: the API
// server of a test reaches no Service.
func newWebhook(t *testing.T, w *world) *webhook {
	t.Helper()
	return newWebhookOf(t, w, kit.WebhookComponent)
}

func newWebhookOf(t *testing.T, w *world, at func(port int) kit.Component) *webhook {
	t.Helper()
	kubeconfig, err := kit.Install(t.Context(), w.Access)
	require.NoError(t, err)
	binary, err := kit.Binary()
	require.NoError(t, err)
	aws, err := kit.StartAWS(t.Context(), "/")
	require.NoError(t, err)
	t.Cleanup(aws.Close)
	port, err := cluster.FreePort(t.Context())
	require.NoError(t, err)
	h := &webhook{world: w, address: "127.0.0.1:" + strconv.Itoa(port)}
	h.options = kit.Options{
		Binary: binary, Kubeconfig: kubeconfig, Log: filepath.Join(t.TempDir(), "controller.log"),
		Env: append(aws.ControllerEnv(), "POD_NAMESPACE="+kit.Namespace, "KUBE_AWS_IAM_CLUSTER_NAME=test"),
	}
	component := at(port)
	require.NoError(t, component.Apply(t.Context(), w.Access))
	t.Cleanup(func() { assert.NoError(t, component.Delete(context.Background(), w.Access)) })
	return h
}

// start runs a controller that mutates pods, until the test ends.
func (h *webhook) start(t *testing.T) *kit.Controller {
	t.Helper()
	options := h.options
	options.Args = []string{"--webhook-listen-address=" + h.address, "--credentials-server-image=" + image}
	options.Env = slices.Concat(options.Env, h.env)
	c, err := kit.StartController(t.Context(), options)
	require.NoError(t, err)
	t.Cleanup(c.Kill)
	require.NoError(t, c.WaitReady(t.Context(), within))
	return c
}

func TestTheWebhookGivesPodsWhatTheCasesSay(t *testing.T) {
	w := newWorld(t)
	h := newWebhook(t, w)
	_, err := w.Create(t.Context(), &probe, probe.Given)
	require.Error(t, err, "without a webhook no pod is admitted")

	c := h.start(t)
	w.Await(t, true)
	all := w.Settings()
	t.Run("as shipped", func(t *testing.T) { w.Compare(t, all[0]) })
	t.Run("a debugger", w.debug)
	t.Run("a huge pod", w.huge)
	t.Run("a pod of many containers", w.crowd)
	t.Run("a pod with as much as it may have", w.limits)
	t.Run("a namespace with quotas", w.fits)
	for _, result := range []string{"mutated", "unchanged", "refused"} {
		n, err := c.Metric(t.Context(), `kube_aws_iam_controller_webhook_requests_total{result="`+result+`"}`)
		require.NoError(t, err)
		assert.Positive(t, n, result)
	}
	c.Kill()

	for _, settings := range all[1:] {
		h.env = nil
		for name, value := range settings.Variables() {
			h.env = append(h.env, "KUBE_AWS_IAM_"+name+"="+value)
		}
		c = h.start(t)
		w.Await(t, true)
		t.Run(fmt.Sprint(settings.Variables()), func(t *testing.T) { w.Compare(t, settings) })
		c.Kill()
	}
}

func TestTheWebhooksCertificateIsKept(t *testing.T) {
	w := newWorld(t)
	newGuarded(t) // which binds the controller, too
	h := newWebhook(t, w)
	c := h.start(t)
	w.Await(t, true)
	first := h.authorities(t)
	expires, err := c.Metric(t.Context(), "kube_aws_iam_controller_webhook_certificate_expiration_timestamp_seconds")
	require.NoError(t, err)
	assert.Positive(t, expires)

	// Somebody overwrites whom the API server trusts.
	patch := []byte(`[{"op":"replace","path":"/webhooks/0/clientConfig/caBundle","value":"c29tZWJvZHkgZWxzZQ=="}]`)
	configurations := w.Client().AdmissionregistrationV1().MutatingWebhookConfigurations()
	_, err = configurations.Patch(t.Context(), name, types.JSONPatchType, patch, metav1.PatchOptions{})
	require.NoError(t, err)
	w.Await(t, true)
	require.NoError(t, kit.Eventually(t.Context(), within, func(context.Context) error {
		if !bytes.Equal(first, h.authorities(t)) {
			return errors.New("the API server still trusts another authority")
		}
		return nil
	}))

	// The Secret goes, and a certificate of a new authority takes its place.
	require.NoError(t, w.Client().CoreV1().Secrets(kit.Namespace).Delete(t.Context(), name, metav1.DeleteOptions{}))
	require.NoError(t, kit.Eventually(t.Context(), within, func(context.Context) error {
		if bytes.Equal(first, h.authorities(t)) {
			return errors.New("nothing was made anew")
		}
		return nil
	}))
	w.Await(t, true)

	// A restart finds it.
	second := h.authorities(t)
	c.Kill()
	h.start(t)
	w.Await(t, true)
	assert.Equal(t, second, h.authorities(t))
}

// authorities returns whom the API server trusts to be the webhook.
func (h *webhook) authorities(t *testing.T) []byte {
	t.Helper()
	found, err := h.Client().AdmissionregistrationV1().MutatingWebhookConfigurations().Get(t.Context(), name, metav1.GetOptions{})
	require.NoError(t, err)
	return found.Webhooks[0].ClientConfig.CABundle
}
