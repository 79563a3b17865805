package chart

import (
	"context"
	"fmt"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"helm.sh/helm/v4/pkg/action"
	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"kube-aws-iam-controller/test/kit"
)

// kept is what stays after a release that keeps its custom resource definition.
var kept = []string{"apiservices v1.zalando.org", "customresourcedefinitions awsiamroles.zalando.org"}

// releases are values, and objects that there are with them, among others.
var releases = map[string]struct {
	values    string
	there     []string
	notThere  []string
	namespace string
	left      []string
}{
	"admission as the API server has it": {
		values: `clusterName: c`,
		there: []string{
			"mutatingadmissionpolicies kube-aws-iam-controller", "validatingadmissionpolicies kube-aws-iam-controller-guard-pods",
			"customresourcedefinitions awsiamroles.zalando.org", "leases kube-aws-iam-controller",
		},
		notThere: []string{"mutatingwebhookconfigurations kube-aws-iam-controller-webhook"}, namespace: "kube-system", left: kept,
	},
	"the webhook, in a namespace of its own": {
		values:   `{clusterName: c, admission: {mode: webhook}}`,
		there:    []string{"mutatingwebhookconfigurations kube-aws-iam-controller-webhook", "services kube-aws-iam-controller-webhook"},
		notThere: []string{"mutatingadmissionpolicies kube-aws-iam-controller"}, namespace: "iam", left: kept,
	},
	"nothing that can be left out": {
		values: `{clusterName: c, admission: {mode: none}, guard: {enabled: false}, crds: {enabled: false}, networkPolicy: {enabled: false},
			podDisruptionBudget: {enabled: false}, serviceAccount: {create: false, name: default}}`,
		there: []string{"deployments kube-aws-iam-controller"},
		notThere: []string{
			"mutatingadmissionpolicies kube-aws-iam-controller", "mutatingwebhookconfigurations kube-aws-iam-controller-webhook",
			"validatingadmissionpolicies kube-aws-iam-controller-guard-pods", "customresourcedefinitions awsiamroles.zalando.org",
			"networkpolicies kube-aws-iam-controller", "poddisruptionbudgets kube-aws-iam-controller", "serviceaccounts kube-aws-iam-controller",
		}, namespace: "iam",
	},
	"all that there is": {
		values: `{clusterName: c, crds: {keep: false}, namespaces: {protectRules: true}, metrics: {authentication: {enabled: true}}}`,
		there: []string{
			"validatingadmissionpolicies kube-aws-iam-controller-namespace-rules", "clusterroles kube-aws-iam-controller-metrics-reader",
			"customresourcedefinitions awsiamroles.zalando.org",
		}, namespace: "iam",
	},
	"one namespace": {
		values: `{clusterName: c, namespaces: {only: iam}}`,
		there:  []string{"roles kube-aws-iam-controller", "roles kube-aws-iam-controller-awsiamroles"},
		notThere: []string{
			"clusterroles kube-aws-iam-controller", "mutatingadmissionpolicies kube-aws-iam-controller",
			"validatingadmissionpolicies kube-aws-iam-controller-guard-pods", "customresourcedefinitions awsiamroles.zalando.org",
		}, namespace: "iam",
	},
}

func TestReleasesAreInstalledChangedAndUninstalled(t *testing.T) {
	for name, release := range releases {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, release.namespace)
			w.clear()
			require.NoError(t, w.install(release.values, func(i *action.Install) { i.CreateNamespace = true }))
			found, err := w.ours(t.Context())
			require.NoError(t, err)
			assert.Subset(t, found, release.there)
			for _, object := range release.notThere {
				assert.NotContains(t, found, object)
			}

			before := w.deployment()
			changed := values(t, release.values)
			changed["logging"] = map[string]any{"debug": true}
			require.NoError(t, w.upgradeTo(changed))
			after := w.deployment()
			assert.Equal(t, before.UID, after.UID)
			assert.NotEqual(t, before.Spec.Template.Annotations, after.Spec.Template.Annotations, "pods with the settings of before are replaced")
			settings, err := w.Client().CoreV1().ConfigMaps(w.namespace).Get(t.Context(), "kube-aws-iam-controller-settings", metav1.GetOptions{})
			require.NoError(t, err)
			assert.Equal(t, "true", settings.Data["KUBE_AWS_IAM_DEBUG"])

			w.uninstall()
			w.requireLeft(release.left...)
		})
	}
}

func TestAReleaseDoesNotReadAnnotationsOfIRSABesideTheWebhookOfEKS(t *testing.T) {
	w := newWorld(t, "kube-system")
	w.clear()
	configurations := w.Client().AdmissionregistrationV1().MutatingWebhookConfigurations()
	eks := &admissionregistrationv1.MutatingWebhookConfiguration{ObjectMeta: metav1.ObjectMeta{Name: "irsa"}, Webhooks: []admissionregistrationv1.MutatingWebhook{{
		Name: "iam-for-pods.amazonaws.com", AdmissionReviewVersions: []string{"v1"}, SideEffects: new(admissionregistrationv1.SideEffectClassNone),
		FailurePolicy: new(admissionregistrationv1.Ignore), ClientConfig: admissionregistrationv1.WebhookClientConfig{URL: new("https://127.0.0.1:1/mutate")},
		NamespaceSelector: &metav1.LabelSelector{MatchLabels: map[string]string{"kubernetes.io/metadata.name": "none"}},
	}}}
	_, err := configurations.Create(t.Context(), eks, metav1.CreateOptions{})
	require.NoError(t, err)
	t.Cleanup(func() {
		assert.NoError(t, configurations.Delete(context.Background(), eks.Name, metav1.DeleteOptions{}))
	})

	require.ErrorContains(t, w.install(`{clusterName: c, irsaAnnotations: {enabled: true}}`), "the webhook of EKS is in this cluster")
	found, err := w.ours(t.Context())
	require.NoError(t, err)
	assert.NotContains(t, found, "mutatingadmissionpolicies kube-aws-iam-controller", "no pod waits for credentials that nobody issues")
	require.NoError(t, w.install(`{clusterName: c, irsaAnnotations: {enabled: true, force: true}}`))
	settings, err := w.Client().CoreV1().ConfigMaps(w.namespace).Get(t.Context(), "kube-aws-iam-controller-settings", metav1.GetOptions{})
	require.NoError(t, err)
	assert.Equal(t, "force", settings.Data["KUBE_AWS_IAM_IRSA_ANNOTATIONS"])
}

func TestThePolicyAndTheGuardOfAReleaseApply(t *testing.T) {
	w := newWorld(t, "kube-system")
	w.clear()
	require.NoError(t, w.install(`{clusterName: c, admission: {defaultRegion: eu-west-1}}`))
	tenant := w.NewNamespace(t)
	w.account(tenant)
	w.awaitRegion(tenant, "eu-west-1")
	made, err := w.pod(t.Context(), tenant)
	require.NoError(t, err)
	require.Len(t, made.Spec.Volumes, 1)
	assert.Equal(t, "app.aws-iam", made.Spec.Volumes[0].Secret.SecretName)
	require.NoError(t, kit.Eventually(t.Context(), kit.Within, func(ctx context.Context) error { // each policy takes its moment
		_, err := w.Client().CoreV1().Secrets(tenant).Create(ctx, &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Name: "app.aws-iam"}},
			metav1.CreateOptions{DryRun: []string{metav1.DryRunAll}})
		if !apierrors.IsForbidden(err) {
			return fmt.Errorf("not refused: %w", err)
		}
		return nil
	}))

	require.NoError(t, w.upgrade(`{clusterName: c, admission: {defaultRegion: us-east-1}}`))
	w.awaitRegion(tenant, "us-east-1")
	require.NoError(t, w.upgrade(`{clusterName: c, admission: {mode: none}}`))
	w.awaitRegion(tenant, "")
}

func TestAReleaseChangesFromTheWebhookToThePolicyAndComesBack(t *testing.T) {
	w := newWorld(t, "iam")
	w.clear()
	create := func(i *action.Install) { i.CreateNamespace = true }
	require.NoError(t, w.install(`{clusterName: c, admission: {mode: webhook}}`, create))
	tenant := w.NewNamespace(t)
	w.account(tenant)
	require.NoError(t, kit.Eventually(t.Context(), kit.Within, func(ctx context.Context) error {
		if made, err := w.pod(ctx, tenant); err == nil {
			return fmt.Errorf("pod %s is admitted, and no controller answers for the webhook", made.Name)
		}
		return nil
	}))
	w.upgradeUntilGone(`{clusterName: c, admission: {mode: policy, defaultRegion: eu-west-1}}`, "mutatingwebhookconfigurations")
	w.awaitRegion(tenant, "eu-west-1")

	w.uninstall()
	w.requireLeft(kept...)
	require.NoError(t, w.install(`{clusterName: c, admission: {mode: policy, defaultRegion: us-east-1}}`, create), "the definition that was kept is the release's again")
	w.awaitRegion(tenant, "us-east-1")
}
