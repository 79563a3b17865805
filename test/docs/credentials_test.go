package docs

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// TestWaysToCredentialsAreAccepted installs each component of examples/credentials, on top of the example of an installation,
// and sees that the API server takes it, and that what variables and arguments name is mounted.
func TestWaysToCredentialsAreAccepted(t *testing.T) {
	control, dir := shared.Get(t), clone(t)
	for name, want := range map[string]struct{ variables, mounts []string }{
		"web-identity":   {[]string{"AWS_ROLE_ARN", "AWS_ROLE_SESSION_NAME", "AWS_WEB_IDENTITY_TOKEN_FILE"}, []string{"/var/run/secrets/aws"}},
		"seed":           {[]string{"KUBE_AWS_IAM_CREDENTIALS_FILE"}, []string{"/var/run/secrets/aws"}},
		"roles-anywhere": {[]string{"AWS_EC2_METADATA_SERVICE_ENDPOINT"}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			at := filepath.Join(dir, "examples", "with-"+name)
			require.NoError(t, os.MkdirAll(at, 0o700))
			text := "resources: [../install]\ncomponents: [../credentials/" + name + "]\n"
			require.NoError(t, os.WriteFile(filepath.Join(at, "kustomization.yaml"), []byte(text), 0o600))
			out, err := control.Kubectl(t.Context(), "apply", "--dry-run=server", "-o", "json", "-k", at)
			require.NoError(t, err)
			pod := installed(t, out)
			controller := pod.Containers[0]
			var variables, mounts []string
			for _, v := range controller.Env {
				variables = append(variables, v.Name)
			}
			for _, m := range controller.VolumeMounts {
				mounts = append(mounts, m.MountPath)
			}
			assert.Subset(t, variables, append(want.variables, "POD_NAMESPACE"))
			assert.Equal(t, want.mounts, mounts)
		})
	}
}

// installed returns the pods of the controller in a list of objects.
func installed(t *testing.T, list string) corev1.PodSpec {
	t.Helper()
	var objects struct {
		Items []json.RawMessage `json:"items"`
	}
	require.NoError(t, json.Unmarshal([]byte(list), &objects))
	for _, raw := range objects.Items {
		var kind metav1.TypeMeta
		require.NoError(t, json.Unmarshal(raw, &kind))
		if kind.Kind != "Deployment" {
			continue
		}
		var deployment appsv1.Deployment
		require.NoError(t, json.Unmarshal(raw, &deployment))
		return deployment.Spec.Template.Spec
	}
	t.Fatal("there is no Deployment")
	return corev1.PodSpec{}
}

// certManager is the version of cert-manager whose custom resource definitions the examples are held against.
const certManager = "github.com/cert-manager/cert-manager@v1.21.2"

// certificate has the API server look at the certificate, by cert-manager's definition of it.
func certificate(t *testing.T, w *world, c command) {
	t.Helper()
	download := exec.CommandContext(t.Context(), "go", "mod", "download", "-json", certManager)
	download.Dir = t.TempDir() // no module of ours needs it
	out, err := download.Output()
	require.NoError(t, err)
	var module struct {
		Dir string `json:"Dir"`
	}
	require.NoError(t, json.Unmarshal(out, &module))
	w.succeeds(t, "kubectl apply --server-side -f "+filepath.Join(module.Dir, "deploy", "crds", "cert-manager.io_certificates.yaml"))
	w.succeeds(t, "kubectl wait --for=condition=Established --timeout=30s crd/certificates.cert-manager.io")
	w.succeeds(t, c.text+" --dry-run=server --validate=strict")
}

// pluginKnows sees that the kubectl plugin has such a command with these flags.
func pluginKnows(t *testing.T, w *world, c command) {
	t.Helper()
	w.succeeds(t, strings.Replace(c.text, "kubectl aws-iam", "bin/kubectl-aws_iam", 1)+" --help")
}

// example sees that what a command is about is the example of the page.
func example(t *testing.T, _ *world, c command) {
	t.Helper()
	assert.Regexp(t, `https://oidc\.example\.com/demo-cluster/|s3://oidc-example/demo-cluster/`, c.text)
}

// rolesAnywhere sees that the service has such an operation, and that the role is that of the example.
func rolesAnywhere(t *testing.T, _ *world, c command) {
	t.Helper()
	assert.Regexp(t, `aws rolesanywhere (create-trust-anchor --name \S+ --enabled \\\n\s+--source "sourceType=CERTIFICATE_BUNDLE,|`+
		`create-profile --name \S+ --enabled \\\n\s+--role-arns arn:aws:iam::123456789012:role/kube-aws-iam-controller-demo-cluster$)`, c.text)
}
