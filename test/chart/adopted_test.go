package chart

import (
	"context"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"helm.sh/helm/v4/pkg/action"
)

// apply installs by kubectl, until the test ends, and returns the directory of the kustomization.
func (w *world) apply(i installation) string {
	w.t.Helper()
	w.clear()
	i.namespace, i.base = w.namespace, "base"
	i.settings = append(i.settings, "KUBE_AWS_IAM_CLUSTER_NAME=c")
	dir := i.write(w.t)
	_, err := w.Kubectl(w.t.Context(), "apply", "-k", dir)
	require.NoError(w.t, err)
	w.t.Cleanup(func() {
		_, err := w.Kubectl(context.Background(), "delete", "-k", dir, "--ignore-not-found")
		assert.NoError(w.t, err)
	})
	return dir
}

// adopt makes a release of it, as the chart's README says.
func (w *world) adopt(dir, text string) {
	w.t.Helper()
	before := w.deployment()
	require.ErrorContains(w.t, w.install(text), "cannot be imported into the current release")
	_, err := w.Kubectl(w.t.Context(), "apply", "-k", dir, "--server-side", "--force-conflicts", "--field-manager=helm")
	require.NoError(w.t, err)
	assert.Equal(w.t, before.Spec, w.deployment().Spec, "nothing changes but whose fields they are")
	require.NoError(w.t, w.install(text, func(i *action.Install) { i.TakeOwnership = true }))
	assert.Equal(w.t, before.UID, w.deployment().UID)
	assert.Equal(w.t, "kube-aws-iam-controller-settings", w.deployment().Spec.Template.Spec.Containers[0].EnvFrom[0].ConfigMapRef.Name)
	_, err = w.Kubectl(w.t.Context(), "delete", "configmap", "--namespace", w.namespace, "--selector",
		"app.kubernetes.io/name=kube-aws-iam-controller,app.kubernetes.io/managed-by!=Helm")
	require.NoError(w.t, err)
}

func TestAnInstallationByKustomizeBecomesARelease(t *testing.T) {
	w := newWorld(t, "kube-system")
	dir := w.apply(installation{
		components: []string{"admission-policy", "admission-settings", "guard"}, settings: []string{"KUBE_AWS_IAM_DEFAULT_REGION=eu-west-1"},
	})
	tenant := w.NewNamespace(t)
	w.run(tenant)
	w.account(tenant)
	credentials := w.secret(tenant, "app.aws-iam")
	w.awaitRegion(tenant, "eu-west-1")

	w.adopt(dir, `{clusterName: c, admission: {defaultRegion: eu-west-1}}`)
	assert.Equal(t, credentials.ResourceVersion, w.secret(tenant, "app.aws-iam").ResourceVersion, "nobody has written the credentials")
	w.awaitRegion(tenant, "eu-west-1")
	require.NoError(t, w.upgrade(`{clusterName: c, replicaCount: 3, resources: {limits: {memory: 1Gi}}, admission: {defaultRegion: us-east-1}}`))
	w.awaitRegion(tenant, "us-east-1")
	w.uninstall()
	w.requireLeft(kept...)
}

func TestAWebhookByKustomizeBecomesARelease(t *testing.T) {
	w := newWorld(t, "kube-system")
	dir := w.apply(installation{components: []string{"webhook", "guard"}})
	tenant := w.NewNamespace(t)
	controller := w.run(tenant)
	w.account(tenant)
	credentials := w.secret(tenant, "app.aws-iam")
	webhook, certificate := w.webhook(), w.secret(w.namespace, "kube-aws-iam-controller-webhook")

	w.adopt(dir, `{clusterName: c, admission: {mode: webhook}}`)
	assert.Equal(t, webhook, w.webhook())
	assert.Equal(t, certificate.Data, w.secret(w.namespace, "kube-aws-iam-controller-webhook").Data)
	require.NoError(t, w.upgrade(`{clusterName: c, replicaCount: 3, admission: {mode: webhook}}`))
	assert.Equal(t, webhook, w.webhook())
	assert.Equal(t, credentials.ResourceVersion, w.secret(tenant, "app.aws-iam").ResourceVersion, "nobody has written the credentials")

	_, err := controller.Stop(t.Context())
	require.NoError(t, err)
	w.uninstall()
	w.requireLeft(kept...)
}
