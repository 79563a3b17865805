package docs

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// eksCluster sees that it is the cluster of the documents.
func eksCluster(t *testing.T, _ *world, c command) {
	t.Helper()
	assert.Regexp(t, ` --(cluster-)?name demo-cluster\b`, c.text)
	if strings.Contains(c.text, "list-pod-identity-associations") {
		assert.Equal(t, "kube-system", argument(t, c.text, "namespace"))
		assert.Equal(t, "kube-aws-iam-controller", argument(t, c.text, "service-account"))
	}
}

// published sees that a file that was saved goes where the issuer's URL has it.
func published(t *testing.T, w *world, c command) {
	t.Helper()
	found := regexp.MustCompile(`^aws s3 cp (\S+) s3://[a-z-]+/demo-cluster(\S+) `).FindStringSubmatch(c.text)
	require.NotNil(t, found)
	text, err := os.ReadFile(filepath.Join(w.dir, found[1]))
	require.NoError(t, err)
	out, code := w.run(t, "kubectl get --raw "+found[2])
	require.Zero(t, code, out)
	assert.Equal(t, out, string(text))
}

// firewall sees that the port is the webhook's.
func firewall(t *testing.T, w *world, c command) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(w.dir, "manifests", "components", "webhook", "kustomization.yaml"))
	require.NoError(t, err)
	port, isTCP := strings.CutPrefix(argument(t, c.text, "allow"), "tcp:")
	require.True(t, isTCP)
	assert.Contains(t, string(text), "containerPort: "+port)
}

// leftOut sees that a selector leaves out the Secrets of the controller, and that a restore names what was made for it.
func leftOut(t *testing.T, w *world, c command) {
	t.Helper()
	if strings.HasPrefix(c.text, "velero restore") {
		w.succeeds(t, "kubectl get configmap --namespace velero "+argument(t, c.text, "resource-modifier-configmap"))
		return
	}
	w.succeeds(t, "kubectl get secret app.aws-iam --namespace demo")
	selector := regexp.MustCompile(`--selector '[^']+'`).FindString(c.text)
	require.NotEmpty(t, selector)
	out, code := w.run(t, "kubectl get secrets --all-namespaces --output name "+selector)
	require.Zero(t, code, out)
	assert.NotContains(t, out, ".aws-iam")
}

// job sees that there is what the command names.
func job(t *testing.T, w *world, c command) {
	t.Helper()
	name := regexp.MustCompile(`job/\S+ --namespace \S+`).FindString(c.text)
	require.NotEmpty(t, name)
	w.succeeds(t, "kubectl get "+name)
}

// inContainer runs what would run in the controller's container, with the same settings and credentials.
func inContainer(t *testing.T, w *world, c command) {
	t.Helper()
	_, inside, found := strings.Cut(c.text, " -- /")
	require.True(t, found)
	w.succeeds(t, "kubectl get "+regexp.MustCompile(`deployment/\S+ --namespace \S+`).FindString(c.text))
	out, code := w.run(t, strings.Join(w.settings, " ")+" bin/"+inside)
	require.Zero(t, code, out)
	assert.Contains(t, out, `"sts:ExternalId": "demo/demo-cluster"`)
}

// withCredentials runs another program in the place of the AWS CLI.
func withCredentials(t *testing.T, w *world, c command) {
	t.Helper()
	plugin, _, found := strings.Cut(c.text, " -- ")
	require.True(t, found)
	out, code := w.run(t, plugin+" -- env")
	require.Zero(t, code, out)
	assert.Contains(t, out, "AWS_CONTAINER_CREDENTIALS_FULL_URI=http://127.0.0.1:")
}
