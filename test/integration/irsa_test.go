package integration

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"kube-aws-iam-controller/test/kit"
)

const eksKey = "eks.amazonaws.com/role-arn"

func TestTheAnnotationOfIRSAAsksForARoleWithTheFlagAlone(t *testing.T) {
	w := newWorld(t)
	arn := w.iamRole("team/", "app")
	other := w.iamRole("", "other")
	c := w.start()
	w.accountWith("third", map[string]string{eksKey: arn})
	w.accountWith("ours", map[string]string{"iam.amazonaws.com/role": other, eksKey: arn})
	w.accountWith("empty", map[string]string{eksKey: ""})
	assert.Contains(t, w.event("ServiceAccount", "third", "UnknownAnnotation"), eksKey+" is not read by this controller")
	ours := w.secret("ours.aws-iam", nil)
	w.neverGets("third")

	c.Kill()
	before := w.assumed()
	c = w.start("--irsa-annotations")
	third := w.secret("third.aws-iam", nil)
	assert.Equal(t, arn, string(third.Data["role-arn"]))
	assert.Equal(t, w.namespace+"/test", third.Annotations["iam.amazonaws.com/external-id"])
	w.eventuallyField("sa/third", `.metadata.annotations.iam\.amazonaws\.com/role-arn`, arn)
	assert.Equal(t, arn, w.field("sa/third", `.metadata.annotations.eks\.amazonaws\.com/role-arn`), "it stays")
	w.neverGets("empty")
	assert.Equal(t, before+2, w.assumed(), "who has a role of ours is not concerned")

	c.Kill()
	w.start("--no-irsa-annotations")
	w.gone("third.aws-iam")
	w.eventuallyField("sa/third", `.metadata.annotations.iam\.amazonaws\.com/role-arn`, "")
	again, err := w.Client().CoreV1().Secrets(w.namespace).Get(t.Context(), "ours.aws-iam", metav1.GetOptions{})
	require.NoError(t, err)
	assert.Equal(t, ours.UID, again.UID)
	assert.Equal(t, ours.ResourceVersion, again.ResourceVersion, "nothing was written")
	assert.Equal(t, before+2, w.assumed())
}

// neverGets fails if there is a Secret after another ServiceAccount that was created later has its own.
func (w *world) neverGets(name string) {
	w.t.Helper()
	w.iamRole("", "probe-"+name)
	w.account("probe-"+name, "probe-"+name)
	w.secret("probe-"+name+".aws-iam", nil)
	w.absent(name + ".aws-iam")
}

// absent fails if there is a Secret.
func (w *world) absent(name string) {
	w.t.Helper()
	_, err := w.Client().CoreV1().Secrets(w.namespace).Get(w.t.Context(), name, metav1.GetOptions{})
	require.True(w.t, apierrors.IsNotFound(err), "%v", err)
}

func TestWhatThePlatformTeamAddsWinsOverTheAnnotationOfIRSA(t *testing.T) {
	w := newWorld(t)
	client := w.admin()
	arn, own := w.iamRole("", "app"), w.iamRole("", "own")
	w.provisioning("--irsa-annotations")
	w.accountWith("role", map[string]string{eksKey: arn, "iam.amazonaws.com/role": "own"})
	w.accountWith("managed", map[string]string{eksKey: arn, policyKey: readBucket})
	assert.Equal(t, own, string(w.secret("role.aws-iam", nil).Data["role-arn"]))

	before := w.secret("managed.aws-iam", nil)
	managed := string(before.Data["role-arn"])
	assert.NotEqual(t, arn, managed)
	assert.Contains(t, w.event("ServiceAccount", "managed", "UnknownAnnotation"), eksKey+" has no effect beside "+policyKey)
	w.ownRole(client, managed)

	w.annotate("managed", policyKey+"-")
	after := w.secret("managed.aws-iam", before)
	assert.Equal(t, arn, string(after.Data["role-arn"]), "it counts once nothing else asks")
	w.event("ServiceAccount", "managed", "RoleDeleted")
}

func TestAMalformedAnnotationOfIRSAChangesNothing(t *testing.T) {
	w := newWorld(t)
	arn := w.iamRole("", "app")
	w.aws.SetSession(8 * time.Second)
	w.start("--irsa-annotations")
	w.accountWith("app", map[string]string{eksKey: arn})
	secret := w.secret("app.aws-iam", nil)
	w.annotate("app", eksKey+"=arn:aws:iam::123456789012:user/app")
	message := w.event("ServiceAccount", "app", "InvalidAnnotation")
	assert.Contains(t, message, eksKey+": ")
	assert.Contains(t, message, "user/app")
	next := w.secret("app.aws-iam", secret)
	assert.Equal(t, arn, string(next.Data["role-arn"]), "what was issued last stays fresh")

	w.annotate("app", eksKey+"=")
	w.gone("app.aws-iam")
}

func TestNamespaceRulesHoldForTheAnnotationOfIRSA(t *testing.T) {
	w := newWorld(t)
	arn := w.iamRole("", "app")
	w.start("--irsa-annotations")
	w.rule(`allowed-roles=["other"]`)
	w.accountWith("app", map[string]string{eksKey: arn})
	w.event("ServiceAccount", "app", "RoleNotPermitted")
	w.absent("app.aws-iam")
}

// It is alone: a webhook of that name is the cluster's.
func TestBesideTheWebhookOfEKSTheFlagHasToBeForced(t *testing.T) {
	w := newWorldAlone(t)
	arn := w.iamRole("", "app")
	w.accountWith("app", map[string]string{eksKey: arn})
	w.eksWebhook()

	blind := w.start("--irsa-annotations")
	w.secret("app.aws-iam", nil)
	out, err := blind.Output()
	require.NoError(t, err)
	assert.Contains(t, out, "cannot tell whether the EKS Pod Identity webhook is installed")
	assert.Contains(t, out, "is forbidden")
	blind.Kill()

	rights := kit.Component{Name: "irsa-annotations"}
	require.NoError(t, rights.Apply(t.Context(), w.Access))
	t.Cleanup(func() { assert.NoError(t, rights.Delete(context.Background(), w.Access)) })
	w.eventually(func(context.Context) error {
		refused := w.launch("--namespace="+w.namespace, "--irsa-annotations")
		if code := w.ended(refused); code != 1 {
			return fmt.Errorf("it ended with %d", code)
		}
		out, err = refused.Output()
		return err
	})
	assert.Contains(t, out, "--irsa-annotations is on, and the webhook of EKS is in this cluster (MutatingWebhookConfiguration pod-identity-webhook)")
	assert.Contains(t, out, "set --irsa-annotations=force")

	before := w.secret("app.aws-iam", nil)
	w.start("--irsa-annotations=force")
	w.annotate("app", "iam.amazonaws.com/session-duration=15m")
	w.secret("app.aws-iam", before)
}

// eksWebhook installs one that is called for nothing.
func (w *world) eksWebhook() {
	w.t.Helper()
	none, ignore := admissionregistrationv1.SideEffectClassNone, admissionregistrationv1.Ignore
	configurations := w.Client().AdmissionregistrationV1().MutatingWebhookConfigurations()
	_, err := configurations.Create(w.t.Context(), &admissionregistrationv1.MutatingWebhookConfiguration{
		ObjectMeta: metav1.ObjectMeta{Name: "pod-identity-webhook"},
		Webhooks: []admissionregistrationv1.MutatingWebhook{{
			Name: "iam-for-pods.amazonaws.com", AdmissionReviewVersions: []string{"v1"}, SideEffects: &none, FailurePolicy: &ignore,
			ClientConfig:      admissionregistrationv1.WebhookClientConfig{URL: new("https://127.0.0.1:1/mutate")},
			NamespaceSelector: &metav1.LabelSelector{MatchLabels: map[string]string{corev1.LabelMetadataName: "none"}},
		}},
	}, metav1.CreateOptions{})
	require.NoError(w.t, err)
	w.t.Cleanup(func() {
		assert.NoError(w.t, configurations.Delete(context.Background(), "pod-identity-webhook", metav1.DeleteOptions{}))
	})
}
