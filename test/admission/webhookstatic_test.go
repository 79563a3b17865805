package admission

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/kubernetes"

	"kube-aws-iam-controller/test/cluster"
	"kube-aws-iam-controller/test/kit"
)

// certificateSecret is the Secret of the installer's that the component webhook-static mounts.
const certificateSecret = "kube-aws-iam-controller-webhook-tls"

// certify runs what docs/admission.md says, for a server that is beside the API server, and returns the directory.
func certify(t *testing.T, access *cluster.Access) string {
	t.Helper()
	root, err := cluster.Root()
	require.NoError(t, err)
	page, err := os.ReadFile(filepath.Join(root, "docs", "admission.md"))
	require.NoError(t, err)
	_, after, found := strings.Cut(string(page), "\n### Webhook certificate\n")
	require.True(t, found)
	_, after, found = strings.Cut(after, "```sh\n")
	require.True(t, found)
	commands, _, found := strings.Cut(after, "```\n")
	require.True(t, found)
	commands = strings.Replace(commands, "subjectAltName=DNS:", "subjectAltName=DNS:localhost,DNS:", 1)
	dir := t.TempDir()
	require.NoError(t, os.Symlink(access.KubectlPath(), filepath.Join(dir, "kubectl")))
	run := exec.CommandContext(t.Context(), "sh", "-eu", "-c", commands)
	run.Dir = dir
	run.Env = append(os.Environ(), "PATH="+dir+":"+os.Getenv("PATH"), "KUBECONFIG="+access.AdminKubeconfig(), "KUBECACHEDIR="+dir)
	out, err := run.CombinedOutput()
	require.NoError(t, err, string(out))
	t.Cleanup(func() {
		err := access.Client().CoreV1().Secrets(kit.Namespace).Delete(context.Background(), certificateSecret, metav1.DeleteOptions{})
		assert.NoError(t, err)
	})
	return dir
}

// mount writes the certificate's Secret where a container has it, and returns the directory.
func mount(t *testing.T, access *cluster.Access) string {
	t.Helper()
	secret, err := access.Client().CoreV1().Secrets(kit.Namespace).Get(t.Context(), certificateSecret, metav1.GetOptions{})
	require.NoError(t, err)
	dir := t.TempDir()
	for key, value := range secret.Data {
		require.NoError(t, os.WriteFile(filepath.Join(dir, key), value, 0o600))
	}
	return dir
}

func TestTheWebhookServesACertificateOfTheInstallersWithoutARightToItsConfiguration(t *testing.T) {
	w := newWorld(t)
	newGuarded(t)
	h := newWebhookOf(t, w, func(port int) kit.Component {
		bundle, err := os.ReadFile(filepath.Join(certify(t, w.Access), "caBundle"))
		require.NoError(t, err)
		return kit.Component{Name: "webhook-static", Patches: []string{fmt.Sprintf(`  - target: {kind: MutatingWebhookConfiguration}
    patch: |
      - {op: replace, path: /webhooks/0/clientConfig, value: {url: "https://localhost:%d/mutate-pods", caBundle: %s}}
`, port, bundle)}}
	})
	dir := mount(t, w.Access)
	options := h.options
	options.Args = []string{"--webhook-listen-address=" + h.address, "--webhook-cert-file=" + filepath.Join(dir, "tls.crt"), "--webhook-key-file=" + filepath.Join(dir, "tls.key")}
	c, err := kit.StartController(t.Context(), options)
	require.NoError(t, err)
	t.Cleanup(c.Kill)
	require.NoError(t, c.WaitReady(t.Context(), within))
	w.Await(t, true)
	log, err := os.ReadFile(options.Log)
	require.NoError(t, err)
	assert.NotContains(t, string(log), "mutatingwebhookconfigurations", "what it has no right to it does not ask for")

	config, err := w.ServiceAccountConfig(t.Context(), kit.Namespace, kit.Account)
	require.NoError(t, err)
	own, err := kubernetes.NewForConfig(config)
	require.NoError(t, err)
	_, err = own.AdmissionregistrationV1().MutatingWebhookConfigurations().Patch(t.Context(), name, types.StrategicMergePatchType,
		[]byte(`{"webhooks":[{"name":"pods.iam.amazonaws.com","clientConfig":{"url":"https://attacker.example.com/"}}]}`), metav1.PatchOptions{})
	require.True(t, apierrors.IsForbidden(err), "%v", err)
	_, err = own.CoreV1().Secrets(kit.Namespace).Patch(t.Context(), certificateSecret, types.MergePatchType,
		[]byte(`{"stringData":{"tls.crt":"x"}}`), metav1.PatchOptions{})
	require.ErrorContains(t, err, "kube-aws-iam-controller may not make this change to the Secret kube-system/"+certificateSecret+": it is not one of its own")
	_, err = own.CoreV1().Secrets(kit.Namespace).Update(t.Context(), &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Name: name}}, metav1.UpdateOptions{})
	require.True(t, apierrors.IsForbidden(err), "%v", err)
}

func TestTheStaticWebhookMountsTheCertificateThatItServes(t *testing.T) {
	root, err := cluster.Root()
	require.NoError(t, err)
	dir := t.TempDir()
	path := func(name string) string {
		relative, relErr := filepath.Rel(dir, filepath.Join(root, "manifests", name))
		require.NoError(t, relErr)
		return strconv.Quote(relative)
	}
	text := "resources: [" + path("base") + "]\ncomponents: [" + path("components/webhook-static") + "]\n"
	require.NoError(t, os.WriteFile(filepath.Join(dir, "kustomization.yaml"), []byte(text), 0o600))
	control := shared.Get(t)
	_, err = control.Kubectl(t.Context(), "apply", "--dry-run=server", "-k", dir)
	require.NoError(t, err)
	rendered, err := control.Kubectl(t.Context(), "kustomize", dir)
	require.NoError(t, err)
	for _, line := range []string{
		"--webhook-listen-address=:8443", "--webhook-cert-file=/etc/kube-aws-iam-controller/webhook/tls.crt", "--webhook-key-file=/etc/kube-aws-iam-controller/webhook/tls.key",
		"mountPath: /etc/kube-aws-iam-controller/webhook\n", "secretName: " + certificateSecret + "\n", "kind: MutatingWebhookConfiguration", "path: /mutate-pods",
	} {
		assert.Contains(t, rendered, line)
	}
	assert.NotContains(t, rendered, "mutatingwebhookconfigurations")
	for document := range strings.SplitSeq(rendered, "\n---\n") {
		if strings.Contains(document, "apiVersion: rbac.authorization.k8s.io/v1") {
			assert.NotContains(t, document, name, "rights of the webhook")
		}
	}
}
