package chain

import (
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	admissionv1 "k8s.io/api/admissionregistration/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"kube-aws-iam-controller/internal/cli/finding"
	"kube-aws-iam-controller/internal/cli/installation"
)

func TestWhatIsSoundHasNothingButOK(t *testing.T) {
	for name, f := range map[string]*Facts{"pod": soundPod(t), "ServiceAccount": soundAccount(t), "AWSIAMRole": soundRole(t)} {
		t.Run(name, func(t *testing.T) {
			for _, found := range Examine(f) {
				assert.Equal(t, finding.OK, found.State, "%+v", found)
				assert.NotEmpty(t, found.Message)
			}
		})
	}
}

// A situation is one thing that is otherwise than it should be.
type situation struct {
	change func(*testing.T, *Facts)
	// check is the link that says so, message and remedy are in what it says.
	check, message, remedy string
}

func event(kind, reason, message string, at time.Time) corev1.Event {
	return corev1.Event{Type: kind, Reason: reason, Message: message, LastTimestamp: metav1.Time{Time: at}}
}

var brokenIdentities = map[string]situation{
	"no controller": {func(_ *testing.T, f *Facts) { f.Controllers.Value = nil }, "controller", "no Deployment", "install"},
	"a controller for another namespace": {func(t *testing.T, f *Facts) {
		t.Helper()
		f.Controllers.Value = []*installation.Controller{controller(t, "--namespace=other")}
	}, "controller", "--namespace=other", "--namespace"},
	"no replicas":      {func(_ *testing.T, f *Facts) { f.Controllers.Value[0].Deployment.Spec.Replicas = new(int32(0)) }, "controller", "scaled to zero", "kubectl scale"},
	"no ready replica": {func(_ *testing.T, f *Facts) { f.Controllers.Value[0].Deployment.Status.ReadyReplicas = 0 }, "controller", "no replica", "kubectl logs"},
	"no Lease":         {func(_ *testing.T, f *Facts) { f.Lease.Value = nil }, "lease", "holds the Lease", "kubectl logs"},
	"a stale Lease":    {func(_ *testing.T, f *Facts) { f.Lease.Value.Spec.RenewTime.Time = now.Add(-2 * time.Minute) }, "lease", "has not renewed it", "kubectl logs"},
	"no admission":     {func(_ *testing.T, f *Facts) { f.Admission = Admission{} }, "admission", "neither", "docs/admission.md"},
	"no binding":       {func(_ *testing.T, f *Facts) { f.Admission.PolicyBinding.Value = nil }, "admission", "no binding", "docs/admission.md"},
	"a policy that leaves the namespace out": {func(_ *testing.T, f *Facts) {
		f.Admission.Policy.Value.Spec.MatchConstraints = &admissionv1.MatchResources{NamespaceSelector: &metav1.LabelSelector{MatchLabels: map[string]string{"a": "b"}}}
	}, "admission", "leaves out the namespace", "a=b"},
	"a webhook that nobody serves": {func(_ *testing.T, f *Facts) { f.webhook(0) }, "admission", "does not serve it", "--webhook-listen-address"},
	"a namespace that is going":    {func(_ *testing.T, f *Facts) { f.Namespace.Value.DeletionTimestamp = &metav1.Time{Time: now} }, "namespace", "being deleted", "another"},
	"no namespace":                 {func(_ *testing.T, f *Facts) { f.Namespace.Value = nil }, "namespace", "does not exist", "kubectl get namespaces"},
	"no ServiceAccount":            {func(_ *testing.T, f *Facts) { f.Account.Value = nil }, "serviceaccount", "does not exist", "kubectl create serviceaccount app"},
	"a ServiceAccount that is going": {func(_ *testing.T, f *Facts) { f.Account.Value.DeletionTimestamp = &metav1.Time{Time: now} },
		"serviceaccount", "being deleted", "create it again"},
	"a label that has admission pass over it": {func(_ *testing.T, f *Facts) {
		f.Account.Value.Labels = map[string]string{"iam.amazonaws.com/requests": "none"}
	},
		"serviceaccount", "pass over its pods", "iam.amazonaws.com/requests-"},
	"an annotation that is malformed": {func(_ *testing.T, f *Facts) { f.Account.Value.Annotations["iam.amazonaws.com/delivery"] = "post" }, "annotations", "post", "kubectl edit"},
	"a role that is not permitted": {func(_ *testing.T, f *Facts) {
		f.Namespace.Value.Annotations = map[string]string{"iam.amazonaws.com/allowed-roles": `["other"]`}
	}, "namespace rules", "does not include it", "docs/concepts.md"},
	"a namespace without rules": {func(t *testing.T, f *Facts) {
		t.Helper()
		f.Controllers.Value = []*installation.Controller{controller(t, "--namespace-restrictions")}
	}, "namespace rules", "--namespace-restrictions", "docs/concepts.md"},
	"a managed role without boundary": {managed, "managed role", "--permissions-boundary", "role"},
	"a role that does not exist":      {func(_ *testing.T, f *Facts) { f.Secret.Value, f.IAM.Value = nil, &IAMRole{} }, "trust policy", "role/app does not exist", "kubectl edit"},
	"a role of another path": {func(_ *testing.T, f *Facts) {
		f.Secret.Value, f.IAM.Value = nil, &IAMRole{Exists: true, ARN: "arn:aws:iam::123456789012:role/team/app"}
	}, "trust policy", "role/team/app", "kubectl edit"},
	"a role that trusts somebody else": {func(t *testing.T, f *Facts) {
		t.Helper()
		f.Secret.Value, f.IAM.Value = nil, trusted(t, "arn:aws:iam::123456789012:role/other")
	}, "trust policy", "role/other", "kubectl aws-iam trust-policy demo"},
	"a Warning": {func(t *testing.T, f *Facts) {
		t.Helper()
		f.Secret.Value, f.IAM.Value = nil, trusted(t, controllerARN)
		f.Events.Value = []corev1.Event{event("Warning", "GetCredentialsFailed", "AccessDenied: no", now), event("Normal", "UpdateCredentials", "yes", now.Add(-time.Hour))}
	}, "events", "GetCredentialsFailed: AccessDenied: no", "aws iam get-role --role-name app"},
	"a Warning that is no matter of trust": {func(t *testing.T, f *Facts) {
		t.Helper()
		f.Secret.Value, f.IAM.Value = nil, trusted(t, controllerARN)
		f.Events.Value = []corev1.Event{event("Warning", "GetCredentialsFailed", "Throttling: Rate exceeded", now)}
	}, "events", "Throttling", "as the message says"},
	"a controller without credentials": {func(t *testing.T, f *Facts) {
		t.Helper()
		f.Secret.Value, f.IAM.Value = nil, trusted(t, controllerARN)
		f.Events.Value = []corev1.Event{event("Warning", "GetCredentialsFailed", "the controller itself has no AWS credentials: AccessDenied: no", now)}
	}, "events", "has no AWS credentials", "docs/credentials.md"},
	"no Secret": {func(t *testing.T, f *Facts) {
		t.Helper()
		f.Secret.Value, f.IAM.Value = nil, trusted(t, controllerARN)
	}, "secret", "does not exist", "kubectl logs"},
	"a Secret of somebody else": {func(t *testing.T, f *Facts) {
		t.Helper()
		f.Secret.Value.Labels, f.IAM.Value = nil, trusted(t, controllerARN)
	}, "secret", "not the controller's", "kubectl delete secret app.aws-iam"},
	"an expired session": {func(t *testing.T, f *Facts) {
		t.Helper()
		f.Now, f.Lease.Value.Spec.RenewTime.Time, f.IAM.Value = now.Add(time.Hour), now.Add(time.Hour), trusted(t, controllerARN)
	},
		"secret", "expired", "kubectl logs"},
	"credentials of before": {func(t *testing.T, f *Facts) {
		t.Helper()
		f.Account.Value.Annotations["iam.amazonaws.com/role"], f.IAM.Value = "new", trusted(t, controllerARN)
		f.IAM.Value.ARN = "arn:aws:iam::123456789012:role/new"
	}, "secret", "were issued for an earlier request", "kubectl get events"},
	"a webhook that cannot be called": {func(_ *testing.T, f *Facts) {
		f.Refused.Value = []corev1.Event{event("Warning", "FailedCreate", `failed calling webhook "pods.iam.amazonaws.com": context deadline exceeded`, now)}
	}, "pod creation", "deadline exceeded", "open port 8443"},
}

// webhook has the webhook in place of the policy.
func (f *Facts) webhook(ready int) *admissionv1.MutatingWebhook {
	f.Admission = Admission{Guard: f.Admission.Guard, GuardBound: f.Admission.GuardBound}
	f.Admission.Webhook.Value = &admissionv1.MutatingWebhook{Name: "pods.iam.amazonaws.com"}
	f.Admission.Webhook.Value.ClientConfig = admissionv1.WebhookClientConfig{CABundle: []byte("ca"), Service: &admissionv1.ServiceReference{Namespace: "kube-system", Name: "webhook"}}
	f.Admission.Endpoints.Value = ready
	return f.Admission.Webhook.Value
}

func managed(_ *testing.T, f *Facts) {
	f.Account.Value.Annotations = map[string]string{"iam.amazonaws.com/managed-policies": "arn:aws:iam::aws:policy/ReadOnlyAccess"}
}

func TestTheFirstBrokenLinkOfAnIdentity(t *testing.T) {
	for name, s := range brokenIdentities {
		t.Run(name, func(t *testing.T) {
			f := soundAccount(t)
			f.Pods.Value = nil
			s.change(t, f)
			s.assertFirst(t, Examine(f))
		})
	}
}

func (s *situation) assertFirst(t *testing.T, findings []finding.Finding) {
	t.Helper()
	first := FirstBroken(findings)
	require.NotNil(t, first, "%+v", findings)
	assert.Equal(t, s.check, first.Check, first.Message)
	assert.Contains(t, first.Message, s.message)
	assert.Contains(t, first.Remedy, s.remedy)
}

func TestTheWebhookIsExaminedInItsOrder(t *testing.T) {
	served := func(t *testing.T) (*Facts, *admissionv1.MutatingWebhook) {
		t.Helper()
		f := soundAccount(t)
		f.Controllers.Value = []*installation.Controller{controller(t, "--webhook-listen-address=:8443")}
		return f, f.webhook(1)
	}
	for name, tt := range map[string]struct {
		change  func(*Facts, *admissionv1.MutatingWebhook)
		state   finding.State
		message string
	}{
		"sound":          {func(*Facts, *admissionv1.MutatingWebhook) {}, finding.OK, "by the webhook"},
		"no certificate": {func(_ *Facts, h *admissionv1.MutatingWebhook) { h.ClientConfig.CABundle = nil }, finding.Broken, "has no caBundle"},
		"no endpoints":   {func(f *Facts, _ *admissionv1.MutatingWebhook) { f.Admission.Endpoints.Value = 0 }, finding.Broken, "has no ready endpoints"},
		"by a URL": {func(f *Facts, h *admissionv1.MutatingWebhook) {
			h.ClientConfig.Service, h.ClientConfig.URL, f.Admission.Endpoints.Value = nil, new("https://elsewhere"), 0
		}, finding.OK, "by the webhook"},
		"endpoints that may not be listed": {func(f *Facts, _ *admissionv1.MutatingWebhook) { f.Admission.Endpoints.Unknown = "you may not" }, finding.Unknown, "you may not"},
		"failures that are ignored":        {func(_ *Facts, h *admissionv1.MutatingWebhook) { h.FailurePolicy = new(admissionv1.Ignore) }, finding.Warning, "failurePolicy Ignore"},
		"both": {func(f *Facts, _ *admissionv1.MutatingWebhook) {
			f.Admission.Policy.Value, f.Admission.PolicyBinding.Value = &admissionv1.MutatingAdmissionPolicy{}, &admissionv1.MutatingAdmissionPolicyBinding{}
		}, finding.Warning, "both"},
	} {
		t.Run(name, func(t *testing.T) {
			f, h := served(t)
			tt.change(f, h)
			found := byCheck(t, Examine(f), "admission")
			assert.Equal(t, tt.state, found.State, found.Message)
			assert.Contains(t, found.Message, tt.message)
		})
	}
}

func TestWhatMayNotBeSeenIsUnknownAndTheWalkGoesOn(t *testing.T) {
	const no = "you may not"
	f := soundAccount(t)
	f.Controllers, f.Lease.Unknown = Fact[[]*installation.Controller]{Unknown: no + " list deployments"}, no
	f.Admission = Admission{Policy: Fact[*admissionv1.MutatingAdmissionPolicy]{Unknown: no + " get policies"}, Guard: Fact[bool]{Unknown: no}}
	f.Namespace, f.Secret, f.Events.Unknown, f.IAM.Unknown = Fact[*metav1.PartialObjectMetadata]{Unknown: no}, Fact[*metav1.PartialObjectMetadata]{Unknown: no}, no, no
	f.Refused.Unknown, f.Pods = no, Fact[[]corev1.Pod]{Unknown: no + " list pods"}
	findings := Examine(f)
	assert.Nil(t, FirstBroken(findings))
	for _, check := range []string{"controller", "admission", "guard", "pod creation", "namespace", "namespace rules", "trust policy", "events", "secret", "pods"} {
		assert.Equal(t, finding.Unknown, byCheck(t, findings, check).State, check)
	}
	assert.Equal(t, finding.OK, byCheck(t, findings, "serviceaccount").State)
	assert.False(t, slices.ContainsFunc(findings, func(f finding.Finding) bool { return f.Message == "" }))
}

func TestAWarningIsCurrentUntilCredentialsAreIssued(t *testing.T) {
	warned := func(at time.Time) finding.Finding {
		f := soundAccount(t)
		f.Events.Value = []corev1.Event{event("Warning", "ProvisionFailed", "no", at)}
		return byCheck(t, Examine(f), "events")
	}
	assert.Equal(t, finding.OK, warned(now.Add(-time.Hour)).State, "the credentials are of ten minutes ago")
	assert.Equal(t, finding.Warning, warned(now).State, "what is issued is served all the same")
}
