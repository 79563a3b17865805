package compat

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"kube-aws-iam-controller/internal/admission/admissiontest"
	"sigs.k8s.io/kustomize/api/krusty"
	"sigs.k8s.io/kustomize/kyaml/filesys"
	"sigs.k8s.io/yaml"

	"kube-aws-iam-controller/test/cluster"
	"kube-aws-iam-controller/test/golden"
)

// warnings are those of an API server, such as of a field that it does not know.
type warnings struct {
	mu   sync.Mutex
	said []string
}

// HandleWarningHeader implements rest.WarningHandler.
func (w *warnings) HandleWarningHeader(_ int, _, text string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.said = append(w.said, text)
}

// install is helm install of the chart as it is shipped.
func (r *run) install() {
	r.t.Helper()
	r.say("helm install")
	require.NoError(r.t, r.helm.Install(r.t.Context(), values(r.t, "auto", admissiontest.Settings{})))
	assert.Empty(r.t, r.warned.said, "warnings of the API server")
	r.redirect(r.t)
}

// upgrade is helm upgrade to another way of admission, or other settings of pods.
func (r *run) upgrade(t *testing.T, mode string, settings admissiontest.Settings) {
	t.Helper()
	require.NoError(t, r.helm.Upgrade(t.Context(), values(t, mode, settings)))
	r.redirect(t)
}

// redirect has the API server ask for the webhook, if that is installed, at a port of this machine: it reaches no Service.
func (r *run) redirect(t *testing.T) {
	t.Helper()
	configurations := r.Client().AdmissionregistrationV1().MutatingWebhookConfigurations()
	list, err := configurations.List(t.Context(), metav1.ListOptions{})
	require.NoError(t, err)
	for i := range list.Items {
		patch := fmt.Sprintf(`[{"op":"replace","path":"/webhooks/0/clientConfig","value":{"url":"https://%s/mutate-pods"}}]`, r.webhook)
		_, err = configurations.Patch(t.Context(), list.Items[i].Name, types.JSONPatchType, []byte(patch), metav1.PatchOptions{})
		require.NoError(t, err)
	}
}

// values are those of the chart.
func values(t *testing.T, mode string, settings admissiontest.Settings) map[string]any {
	t.Helper()
	repository, tag, _ := strings.Cut(golden.Image, ":")
	sidecar := map[string]any{"pullPolicy": settings.ImagePullPolicy}
	for name, text := range map[string]string{
		"requests": settings.Requests, "limits": settings.Limits, "securityContext": settings.SecurityContext,
	} {
		if text != "" {
			sidecar[name] = pairs(t, text)
		}
	}
	return map[string]any{
		"clusterName": "test", "image": map[string]any{"repository": repository, "tag": tag},
		"admission":       map[string]any{"mode": mode, "defaultRegion": settings.DefaultRegion, "sidecar": sidecar},
		"irsaAnnotations": map[string]any{"enabled": settings.IRSAAnnotations != "", "force": settings.IRSAAnnotations == "force"},
	}
}

// pairs reads key=value,key=value, or none, which takes away the defaults. Numbers and booleans are such in values, too.
func pairs(t *testing.T, text string) map[string]any {
	t.Helper()
	if text == "none" {
		return map[string]any{"cpu": nil, "memory": nil}
	}
	all := map[string]any{}
	require.NoError(t, yaml.Unmarshal([]byte("{"+strings.ReplaceAll(text, "=", ": ")+"}"), &all))
	return all
}

// components are those of manifests that every release has to take, and policies are those of releases that serve
// MutatingAdmissionPolicy v1. That of monitoring needs the Prometheus operator.
var (
	components = []string{"guard", "namespace-rules", "metrics-authentication", "uninstall", webhook}
	policies   = []string{"admission-policy", "admission-settings"}
)

// manifestsApply has the API server take manifests, strictly, and store nothing.
func (r *run) manifestsApply(t *testing.T) {
	t.Helper()
	if r.servesPolicies {
		r.accepts(t, policies)
	}
	for _, each := range components {
		r.accepts(t, []string{each})
	}
}

func (r *run) accepts(t *testing.T, of []string) {
	t.Helper()
	root, err := cluster.Root()
	require.NoError(t, err)
	dir := t.TempDir()
	manifests, err := filepath.Rel(dir, filepath.Join(root, "manifests"))
	require.NoError(t, err)
	text := "resources: [" + manifests + "/base]\ncomponents:\n"
	for _, each := range of {
		text += "- " + manifests + "/components/" + each + "\n"
	}
	require.NoError(t, os.WriteFile(filepath.Join(dir, "kustomization.yaml"), []byte(text), 0o600))
	made, err := krusty.MakeKustomizer(krusty.MakeDefaultOptions()).Run(filesys.MakeFsOnDisk(), dir)
	require.NoError(t, err)
	objects, err := made.AsYaml()
	require.NoError(t, err)
	_, err = r.KubectlInput(t.Context(), strings.NewReader(string(objects)), "apply", "--dry-run=server", "--validate=strict", "-f", "-")
	assert.NoError(t, err, "%s", of)
}
