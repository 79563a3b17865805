package check

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	admissionv1 "k8s.io/api/admissionregistration/v1"
	appsv1 "k8s.io/api/apps/v1"
	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"kube-aws-iam-controller/internal/cli/crd"
	"kube-aws-iam-controller/internal/cli/finding"
	"kube-aws-iam-controller/internal/cli/installation"
	"kube-aws-iam-controller/internal/config"
)

var now = time.Date(2030, 1, 2, 3, 4, 5, 0, time.UTC)

var forbidden = apierrors.NewForbidden(schema.GroupResource{Resource: "things"}, "", errors.New("no"))

// healthy are the facts of an installation with admission by policy and the guard.
func healthy(t *testing.T) *facts {
	t.Helper()
	installed, err := crd.Shipped()
	require.NoError(t, err)
	f := &facts{
		plugin: "v1.2.3", now: now, local: now, count: 20,
		serverVersion: answer[string]{value: "v1.36.0"},
		controllers: answer[[]*installation.Controller]{value: []*installation.Controller{{
			Deployment: &appsv1.Deployment{
				ObjectMeta: metav1.ObjectMeta{Namespace: "kube-system", Name: "kube-aws-iam-controller"},
				Spec:       appsv1.DeploymentSpec{Replicas: new(int32(2))},
				Status:     appsv1.DeploymentStatus{ReadyReplicas: 2},
			},
			Container: &corev1.Container{Env: []corev1.EnvVar{{Name: "AWS_ROLE_ARN", Value: "arn:aws:iam::123456789012:role/controller"}}},
			Image:     "registry.example.com:5000/kube-aws-iam-controller:v1.2.3",
			Config:    config.Config{LeaderElect: true},
		}}},
		crd: answer[*unstructured.Unstructured]{value: installed}, served: answer[bool]{value: true},
		lease: answer[*coordinationv1.Lease]{value: &coordinationv1.Lease{
			ObjectMeta: metav1.ObjectMeta{Namespace: "kube-system", Name: "kube-aws-iam-controller"},
			Spec: coordinationv1.LeaseSpec{
				HolderIdentity: new("pod-1_2f0d_*"), LeaseDurationSeconds: new(int32(15)), RenewTime: new(metav1.NewMicroTime(now.Add(-2 * time.Second))),
			},
		}},
		issued: answer[[]metav1.PartialObjectMetadata]{value: []metav1.PartialObjectMetadata{{ObjectMeta: metav1.ObjectMeta{Annotations: map[string]string{
			"iam.amazonaws.com/expiration": now.Add(50 * time.Minute).Format(time.RFC3339), "iam.amazonaws.com/session-duration": "3600",
		}}}}},
	}
	f.policies.value = register(t, "components/admission-policy/*.yaml", "components/guard/*.yaml")
	f.probe.value = probe{of: "demo/app", pod: probePod("app")}
	f.probe.value.pod.Spec.Volumes = []corev1.Volume{{VolumeSource: corev1.VolumeSource{Secret: &corev1.SecretVolumeSource{SecretName: "app.aws-iam"}}}}
	return f
}

// register returns shipped policies as they are in force.
func register(t *testing.T, files ...string) registered {
	t.Helper()
	objects, err := shipped(files...)
	require.NoError(t, err)
	r := registered{mutating: map[string]bool{}, validating: map[string]bool{}, mutatingBound: map[string]bool{}, validatingBound: map[string]bool{}}
	of := map[string]map[string]bool{
		"MutatingAdmissionPolicy": r.mutating, "ValidatingAdmissionPolicy": r.validating,
		"MutatingAdmissionPolicyBinding": r.mutatingBound, "ValidatingAdmissionPolicyBinding": r.validatingBound,
	}
	for i := range objects {
		if in := of[objects[i].GetKind()]; in != nil {
			in[objects[i].GetName()] = true
		}
	}
	return r
}

func withWebhook(f *facts, change func(*admissionv1.MutatingWebhook)) {
	f.policies.value.mutating, f.policies.value.mutatingBound = nil, nil
	delete(f.policies.value.validating, "kube-aws-iam-controller-refused")
	delete(f.policies.value.validatingBound, "kube-aws-iam-controller-refused")
	f.endpoints.value = 2
	w := admissionv1.MutatingWebhook{Name: podsWebhook, FailurePolicy: new(admissionv1.Fail), ClientConfig: admissionv1.WebhookClientConfig{
		CABundle: []byte("x"), Service: &admissionv1.ServiceReference{Namespace: "kube-system", Name: "kube-aws-iam-controller-webhook"},
	}}
	change(&w)
	f.webhooks.value = []admissionv1.MutatingWebhookConfiguration{{Webhooks: []admissionv1.MutatingWebhook{w}}}
}

func TestAHealthyInstallationIsSound(t *testing.T) {
	for _, found := range evaluate(healthy(t)) {
		assert.Equal(t, finding.OK, found.State, found)
		assert.Empty(t, found.Remedy, found)
	}
	f := healthy(t)
	withWebhook(f, func(*admissionv1.MutatingWebhook) {})
	require.NoError(t, finding.Exit(evaluate(f)))
}

func TestWhatIsWrongIsNamed(t *testing.T) {
	controller := func(f *facts) *installation.Controller { return f.controllers.value[0] }
	for name, tt := range map[string]struct {
		change func(*facts)
		check  string
		state  finding.State
		says   string
	}{
		"an old cluster":           {func(f *facts) { f.serverVersion.value = "v1.29.4-eks-1" }, "server", finding.Broken, "v1.29.4-eks-1 is too old"},
		"a cluster before 1.36":    {func(f *facts) { f.serverVersion.value = "v1.30.0" }, "server", finding.OK, "component webhook"},
		"a clock that is behind":   {func(f *facts) { f.local = now.Add(-3 * time.Minute) }, "clock", finding.Warning, "3m0s behind the API server"},
		"a clock that is ahead":    {func(f *facts) { f.local = now.Add(3 * time.Minute) }, "clock", finding.Warning, "3m0s ahead of the API server"},
		"no controller":            {func(f *facts) { f.controllers.value, f.count = nil, 0 }, "controller", finding.Broken, "no controller is installed in any namespace"},
		"no replica that is ready": {func(f *facts) { controller(f).Deployment.Status.ReadyReplicas = 0 }, "controller", finding.Broken, "no replica of kube-system/kube-aws-iam-controller is ready"},
		"one of two replicas":      {func(f *facts) { controller(f).Deployment.Status.ReadyReplicas = 1 }, "controller", finding.Warning, "1 of 2 replicas"},
		"scaled to zero":           {func(f *facts) { controller(f).Deployment.Spec.Replicas = new(int32(0)) }, "controller", finding.Broken, "scaled to zero"},
		"settings not understood":  {func(f *facts) { controller(f).ConfigError = errors.New("unknown flag") }, "controller", finding.Unknown, "unknown flag"},
		"another version":          {func(f *facts) { controller(f).Image = "x/y:v1.3.0" }, "version", finding.Warning, "has the version v1.3.0, this plugin v1.2.3"},
		"an image by digest":       {func(f *facts) { controller(f).Image = "x/y@sha256:abc" }, "version", finding.OK, "not compared"},
		"an image by digest, and what the chart says": {func(f *facts) {
			controller(f).Image, controller(f).Deployment.Labels = "x/y@sha256:abc", map[string]string{"app.kubernetes.io/version": "v1.3.0"}
		}, "version", finding.Warning, "has the version v1.3.0, this plugin v1.2.3"},
		"no CRD":                   {func(f *facts) { f.crd.value, f.served.value = nil, false }, "crd", finding.Broken, "awsiamroles.zalando.org is not installed"},
		"no CRD, one namespace":    {func(f *facts) { f.crd.value, f.served.value, controller(f).Config.Namespace = nil, false, "team" }, "crd", finding.Warning, "is not installed"},
		"a CRD that is not served": {func(f *facts) { f.served.value = false }, "crd", finding.Broken, "its version v1 is not served"},
		"the predecessor's CRD": {func(f *facts) {
			f.crd.value = f.crd.value.DeepCopy()
			versions, _, _ := unstructured.NestedSlice(f.crd.value.Object, "spec", "versions")
			v1, _ := versions[0].(map[string]any)
			unstructured.RemoveNestedField(v1, "schema", "openAPIV3Schema", "properties", "status", "properties", "conditions")
			_ = unstructured.SetNestedSlice(f.crd.value.Object, versions, "spec", "versions")
		}, "crd", finding.Warning, "lacks status.conditions"},
		"a right that is missing": {func(f *facts) { f.missing.value = []right{{"patch", "", "secrets", "", "", ""}} }, "rights", finding.Broken, "may not patch secrets"},
		"a policy without its binding": {func(f *facts) { delete(f.policies.value.mutatingBound, "kube-aws-iam-controller") }, "admission", finding.Broken,
			"there is no MutatingAdmissionPolicyBinding kube-aws-iam-controller"},
		"a binding that only audits": {func(f *facts) { f.policies.value.validatingBound["kube-aws-iam-controller-refused"] = false }, "admission", finding.Broken, "does not deny"},
		"no admission": {func(f *facts) {
			withWebhook(f, func(*admissionv1.MutatingWebhook) {})
			f.webhooks.value = nil
		}, "admission", finding.Warning, "neither the admission policy nor the webhook"},
		"both ways of admission": {func(f *facts) {
			withWebhook(f, func(*admissionv1.MutatingWebhook) {})
			f.policies.value = register(t, "components/admission-policy/*.yaml", "components/guard/*.yaml")
		}, "admission", finding.Warning, "by the admission policy and by the webhook"},
		"a webhook without caBundle": {func(f *facts) { withWebhook(f, func(w *admissionv1.MutatingWebhook) { w.ClientConfig.CABundle = nil }) }, "admission", finding.Broken, "no caBundle"},
		"a webhook that is ignored": {func(f *facts) {
			withWebhook(f, func(w *admissionv1.MutatingWebhook) { w.FailurePolicy = new(admissionv1.Ignore) })
		}, "admission", finding.Warning, "failurePolicy Ignore"},
		"a webhook without endpoints": {func(f *facts) {
			withWebhook(f, func(*admissionv1.MutatingWebhook) {})
			f.endpoints.value = 0
		}, "admission", finding.Broken, "no ready endpoints"},
		"a pod that is given nothing": {func(f *facts) { f.probe.value.pod.Spec.Volumes = nil }, "injection", finding.Broken, "a pod of the ServiceAccount demo/app is given no credentials"},
		"a pod that is rejected":      {func(f *facts) { f.probe.err = errors.New("no such image") }, "injection", finding.Warning, "is rejected (nothing was created): no such image"},
		"no guard":                    {func(f *facts) { f.policies.value = register(t, "components/admission-policy/*.yaml") }, "guard", finding.Warning, "the guard is not installed"},
		"a guard without a binding": {func(f *facts) { delete(f.policies.value.validatingBound, "kube-aws-iam-controller-guard-pods") }, "guard", finding.Broken,
			"there is no ValidatingAdmissionPolicyBinding kube-aws-iam-controller-guard-pods"},
		"a guard that warns": {func(f *facts) { f.policies.value.validatingBound["kube-aws-iam-controller-guard-writes"] = false }, "guard", finding.Broken, "does not deny"},
		"no Lease":           {func(f *facts) { f.lease.value = nil }, "lease", finding.Broken, "has no Lease"},
		"a Lease of nobody":  {func(f *facts) { f.lease.value.Spec.HolderIdentity = new("") }, "lease", finding.Broken, "nobody holds the Lease"},
		"a stale Lease": {func(f *facts) { f.lease.value.Spec.RenewTime = new(metav1.NewMicroTime(now.Add(-time.Minute))) }, "lease", finding.Broken,
			"pod-1 holds the Lease and has not renewed it for 60s"},
		"a Lease of the future": {func(f *facts) { f.lease.value.Spec.RenewTime = new(metav1.NewMicroTime(now.Add(10 * time.Minute))) }, "lease", finding.Warning, "10m in the future"},
		"no leader election":    {func(f *facts) { controller(f).Config.LeaderElect, f.lease.value = false, nil }, "lease", finding.OK, "without leader election"},
		"no AWS credentials": {func(f *facts) {
			f.warnings.value = []corev1.Event{{Message: "Failed: the controller itself has no AWS credentials: the instance metadata service", LastTimestamp: metav1.NewTime(now)}}
		}, "aws", finding.Broken, "role/controller by web identity: Failed: the controller itself has no AWS credentials"},
		"no AWS credentials once, but since": {func(f *facts) {
			f.warnings.value = []corev1.Event{{Message: "the controller itself has no AWS credentials: x", LastTimestamp: metav1.NewTime(now.Add(-time.Hour))}}
		}, "aws", finding.OK, "issued last 10m ago"},
		"nothing issued": {func(f *facts) { f.issued.value = nil }, "aws", finding.Warning, "no credentials were issued yet"},
		"kube2iam": {func(f *facts) {
			d := appsv1.DaemonSet{ObjectMeta: metav1.ObjectMeta{Namespace: "kube-system", Name: "iam"}}
			d.Spec.Template.Spec.Containers = []corev1.Container{{Image: "jtblin/kube2iam:0.11"}}
			f.daemonSets.value = []appsv1.DaemonSet{d}
		}, "others", finding.Warning, "kube2iam is installed (DaemonSet kube-system/iam)"},
		"kiam": {func(f *facts) {
			f.daemonSets.value = []appsv1.DaemonSet{{ObjectMeta: metav1.ObjectMeta{Namespace: "kube-system", Name: "kiam-agent"}}}
		}, "others", finding.Warning, "kiam is installed"},
		"IRSA's webhook": {func(f *facts) {
			f.webhooks.value = []admissionv1.MutatingWebhookConfiguration{{ObjectMeta: metav1.ObjectMeta{Name: "pod-identity-webhook"}}}
		}, "others", finding.Warning, "the webhook of EKS for IRSA is installed"},
		"IRSA's webhook, of another name": {func(f *facts) {
			f.webhooks.value = []admissionv1.MutatingWebhookConfiguration{{
				ObjectMeta: metav1.ObjectMeta{Name: "irsa"}, Webhooks: []admissionv1.MutatingWebhook{{Name: "iam-for-pods.amazonaws.com"}},
			}}
		}, "others", finding.Warning, "the webhook of EKS for IRSA is installed (MutatingWebhookConfiguration irsa)"},
	} {
		t.Run(name, func(t *testing.T) {
			f := healthy(t)
			tt.change(f)
			all := evaluate(f)
			var got []finding.Finding
			for _, found := range all {
				if found.Check == tt.check && found.State == tt.state && strings.Contains(found.Message, tt.says) {
					got = append(got, found)
				}
				if found.State == finding.Broken || found.State == finding.Warning {
					assert.Equal(t, tt.check, found.Check, "nothing else is said: %+v", found)
					assert.NotEmpty(t, found.Remedy, found)
				}
			}
			assert.Len(t, got, 1, all)
		})
	}
}

func TestWhatMayNotBeSeenIsUnknown(t *testing.T) {
	f := healthy(t)
	f.controllers, f.pods.err, f.account.err = answer[[]*installation.Controller]{err: forbidden}, forbidden, forbidden
	f.missing.err, f.crd, f.lease.err = forbidden, answer[*unstructured.Unstructured]{err: forbidden}, forbidden
	f.policies.err, f.webhooks.err, f.daemonSets.err, f.deployments.err = forbidden, forbidden, forbidden, forbidden
	f.issued, f.warnings.err = answer[[]metav1.PartialObjectMetadata]{err: forbidden}, forbidden
	f.probe = answer[probe]{} // of nobody
	states := map[string]finding.State{}
	for _, found := range evaluate(f) {
		states[found.Check] = found.State
		assert.NotEqual(t, finding.Broken, found.State, found)
	}
	assert.Equal(t, map[string]finding.State{
		"server": finding.OK, "clock": finding.OK, "controller": finding.Unknown, "crd": finding.OK, "rights": finding.Unknown, "admission": finding.Unknown,
		"guard": finding.Unknown, "lease": finding.Unknown, "aws": finding.Unknown, "others": finding.Unknown,
	}, states)
}

func TestPodsTellWhereDeploymentsMayNotBeListed(t *testing.T) {
	f := healthy(t)
	f.controllers = answer[[]*installation.Controller]{err: forbidden}
	f.pods.value = []corev1.Pod{{
		Spec:   corev1.PodSpec{Containers: []corev1.Container{{Name: "controller", Image: "x:v1.2.3"}}},
		Status: corev1.PodStatus{Conditions: []corev1.PodCondition{{Type: corev1.PodReady, Status: corev1.ConditionTrue}}},
	}}
	assert.Equal(t, finding.OK, checkController(f)[0].State)
	assert.Contains(t, checkVersion(f)[0].Message, "v1.2.3")
	f.pods.value[0].Status = corev1.PodStatus{}
	assert.Equal(t, finding.Broken, checkController(f)[0].State)
}

func TestChecksBeforeInstalling(t *testing.T) {
	f := &facts{before: true, namespace: "iam", now: now, local: now, serverVersion: answer[string]{value: "v1.36.0"}}
	require.NoError(t, finding.Exit(evaluate(f)))
	f.cannot.value = []right{{"create", "rbac.authorization.k8s.io", "clusterroles", "", "", ""}}
	all := checkInstaller(f)
	require.Len(t, all, 1)
	assert.Equal(t, finding.Broken, all[0].State)
	assert.Equal(t, "you may not create clusterroles.rbac.authorization.k8s.io", all[0].Message)
}
