package chain

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	admissionv1 "k8s.io/api/admissionregistration/v1"
	appsv1 "k8s.io/api/apps/v1"
	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"kube-aws-iam-controller/internal/admission"
	"kube-aws-iam-controller/internal/awsiamrole"
	"kube-aws-iam-controller/internal/cli/finding"
	"kube-aws-iam-controller/internal/cli/installation"
	"kube-aws-iam-controller/internal/config"
	"kube-aws-iam-controller/internal/identity"
	"kube-aws-iam-controller/internal/trust"
)

const (
	controllerARN = "arn:aws:iam::123456789012:role/infra/controller"
	appARN        = "arn:aws:iam::123456789012:role/app"
)

var now = time.Date(2026, 7, 1, 12, 0, 0, 0, time.UTC)

func object(name string, annotations map[string]string) *metav1.PartialObjectMetadata {
	return &metav1.PartialObjectMetadata{ObjectMeta: metav1.ObjectMeta{Namespace: "demo", Name: name, UID: "uid-" + "1", Annotations: annotations}}
}

// controller returns an installed controller with one ready replica.
func controller(t *testing.T, args ...string) *installation.Controller {
	t.Helper()
	cfg, err := config.ParseInstalled(append([]string{"--cluster-name=prod", "--leader-elect", "--controller-role-arn=" + controllerARN}, args...), nil)
	require.NoError(t, err)
	d := &appsv1.Deployment{ObjectMeta: metav1.ObjectMeta{Namespace: "kube-system", Name: "kube-aws-iam-controller"}}
	d.Status.ReadyReplicas = 2
	return &installation.Controller{Deployment: d, Config: cfg}
}

// soundPod returns the facts about a pod of the delivery process to which nothing is wrong.
func soundPod(t *testing.T) *Facts {
	t.Helper()
	f := soundIdentity(t)
	f.PodName = "app-1"
	pod := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: "demo", Name: "app-1", CreationTimestamp: metav1.Time{Time: now.Add(-time.Hour)}}}
	pod.Spec.ServiceAccountName = "app"
	pod.Spec.Volumes = []corev1.Volume{{Name: admission.VolumeName, VolumeSource: corev1.VolumeSource{Secret: &corev1.SecretVolumeSource{SecretName: "app.aws-iam"}}}}
	pod.Spec.Containers = []corev1.Container{{
		Name: "main", Env: admission.Variables(*f.Request().Injection),
		VolumeMounts: []corev1.VolumeMount{{Name: admission.VolumeName, MountPath: admission.MountPath, ReadOnly: true}},
	}}
	pod.Status.Phase = corev1.PodRunning
	f.Pod.Value = pod
	return f
}

// soundAccount returns the facts about a ServiceAccount to which nothing is wrong.
func soundAccount(t *testing.T) *Facts {
	t.Helper()
	f := soundIdentity(t)
	f.Pods.Value = []corev1.Pod{*soundPod(t).Pod.Value}
	return f
}

func soundIdentity(t *testing.T) *Facts {
	t.Helper()
	f := &Facts{
		Now:       now,
		Key:       identity.Key{Source: identity.ServiceAccount, Namespace: "demo", Name: "app"},
		Principal: controllerARN,
		Keys:      map[string]Fact[[]string]{},
	}
	f.Controllers.Value = []*installation.Controller{controller(t)}
	f.Lease.Value = &coordinationv1.Lease{Spec: coordinationv1.LeaseSpec{HolderIdentity: new("replica-1"), RenewTime: &metav1.MicroTime{Time: now}}}
	f.Admission.Policy.Value = &admissionv1.MutatingAdmissionPolicy{ObjectMeta: metav1.ObjectMeta{Name: "kube-aws-iam-controller"}}
	f.Admission.PolicyBinding.Value = &admissionv1.MutatingAdmissionPolicyBinding{}
	f.Admission.Guard.Value, f.Admission.GuardBound.Value = true, true
	f.Namespace.Value = object("demo", nil)
	f.Account.Value = object("app", map[string]string{"iam.amazonaws.com/role": "app"})
	f.issue()
	return f
}

// soundRole returns the facts about an AWSIAMRole to which nothing is wrong.
func soundRole(t *testing.T) *Facts {
	t.Helper()
	f := soundIdentity(t)
	f.Key.Source = identity.AWSIAMRole
	f.Account.Value = nil
	f.Role.Value = &awsiamrole.AWSIAMRole{ObjectMeta: metav1.ObjectMeta{Namespace: "demo", Name: "app", UID: "uid-1"}, Spec: awsiamrole.Spec{RoleReference: "app"}}
	f.issue()
	return f
}

// issue has the Secret be one for what is requested now.
func (f *Facts) issue() {
	labels := map[string]string{"app.kubernetes.io/managed-by": "kube-aws-iam-controller", "iam.amazonaws.com/source": "serviceaccount"}
	if isAWSIAMRole(f) {
		labels = map[string]string{"heritage": "kube-aws-iam-controller", "type": "awsiamrole"}
	}
	f.Secret.Value = object(f.SecretName(), map[string]string{
		"iam.amazonaws.com/role-arn": appARN, "iam.amazonaws.com/expiration": now.Add(50 * time.Minute).Format(time.RFC3339),
		"iam.amazonaws.com/external-id": "demo/prod", "iam.amazonaws.com/spec-hash": f.desired().SpecHash(), "iam.amazonaws.com/session-duration": "3600",
	})
	f.Secret.Value.Labels = labels
	f.Secret.Value.ManagedFields = []metav1.ManagedFieldsEntry{{
		Manager: "kube-aws-iam-controller",
		FieldsV1: metav1.NewFieldsV1(`{"f:data":{"f:credentials":{},"f:credentials.json":{},"f:credentials.process":{},"f:expire":{},"f:role-arn":{},
			"f:authorization-token":{},"f:awsiamrole-generation":{}},"f:metadata":{"f:ownerReferences":{},"f:annotations":{"f:iam.amazonaws.com/role-arn":{},
			"f:iam.amazonaws.com/expiration":{},"f:iam.amazonaws.com/external-id":{},"f:iam.amazonaws.com/spec-hash":{},"f:iam.amazonaws.com/session-duration":{}}}}`),
	}}
}

// trusted returns an IAM role that trusts a principal.
func trusted(t *testing.T, principal string) *IAMRole {
	t.Helper()
	policy, err := trust.Policy(principal, "demo/prod", "")
	require.NoError(t, err)
	return &IAMRole{Exists: true, ARN: appARN, Trust: policy}
}

// byCheck returns the finding of a check, failing without one.
func byCheck(t *testing.T, findings []finding.Finding, check string) finding.Finding {
	t.Helper()
	for _, f := range findings {
		if f.Check == check {
			return f
		}
	}
	require.Failf(t, "no finding", "%s in %+v", check, findings)
	return finding.Finding{}
}
