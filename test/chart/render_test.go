package chart

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	klabels "k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/yaml"
)

// render renders a release in kube-system.
func render(t *testing.T, text string) *Rendered {
	t.Helper()
	made, err := Release{Namespace: "kube-system", Values: values(t, text)}.Render(t.Context())
	require.NoError(t, err)
	return made
}

// find returns the object of a kind that is named, and whether there is one.
func find(objects []unstructured.Unstructured, kind, name string) (unstructured.Unstructured, bool) {
	for _, object := range objects {
		if object.GetKind() == kind && object.GetName() == name {
			return object, true
		}
	}
	return unstructured.Unstructured{}, false
}

// text is an object as YAML.
func text(t *testing.T, objects []unstructured.Unstructured, kind, name string) string {
	t.Helper()
	object, found := find(objects, kind, name)
	require.True(t, found, "%s %s", kind, name)
	text, err := yaml.Marshal(object.Object)
	require.NoError(t, err)
	return string(text)
}

// pod is that of the Deployment.
func (r *Rendered) pod(t *testing.T) corev1.PodSpec {
	t.Helper()
	object, found := find(r.Objects, "Deployment", Name)
	require.True(t, found)
	spec, _, err := unstructured.NestedMap(object.Object, "spec", "template", "spec")
	require.NoError(t, err)
	var pod corev1.PodSpec
	require.NoError(t, runtime.DefaultUnstructuredConverter.FromUnstructuredWithValidation(spec, &pod, true))
	return pod
}

func TestTheImageIsNamedOnce(t *testing.T) {
	const digest = "sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
	for image, want := range map[string]string{
		`{repository: r.example.com/c}`:                           "r.example.com/c:v1.0.0",
		`{repository: r.example.com/c, tag: v2}`:                  "r.example.com/c:v2",
		`{repository: r.example.com/c, digest: "` + digest + `"}`: "r.example.com/c@" + digest,
	} {
		made := render(t, `{clusterName: c, admission: {mode: policy}, image: `+image+`}`)
		assert.Equal(t, want, made.pod(t).Containers[0].Image)
		assert.Contains(t, text(t, made.Objects, "MutatingAdmissionPolicy", Name), "expression: '''"+want+"'''")
		assert.Contains(t, text(t, made.Objects, "ConfigMap", "kube-aws-iam-controller-settings"), "KUBE_AWS_IAM_CREDENTIALS_SERVER_IMAGE: "+want)
		assert.Contains(t, text(t, made.Hooks, "Pod", "kube-aws-iam-controller-test"), "image: "+want)
	}
	made := render(t, `{clusterName: c, admission: {mode: policy, sidecar: {image: other:v3}}}`)
	assert.Contains(t, text(t, made.Objects, "MutatingAdmissionPolicy", Name), "expression: '''other:v3'''")
}

func TestAdmissionFollowsFromTheAPIServer(t *testing.T) {
	const policies = "admissionregistration.k8s.io/v1/MutatingAdmissionPolicy"
	for name, c := range map[string]struct {
		release Release
		want    string
	}{
		"offline, a version that has policies": {Release{KubeVersion: "v1.36.0"}, "MutatingAdmissionPolicy"},
		"offline, one of EKS":                  {Release{KubeVersion: "v1.37.2-eks-1234567"}, "MutatingAdmissionPolicy"},
		"offline, a version that has none":     {Release{KubeVersion: "v1.35.4"}, "MutatingWebhookConfiguration"},
		"the server has policies":              {Release{APIVersions: []string{"v1/Pod", policies}}, "MutatingAdmissionPolicy"},
		"the server has them turned off":       {Release{APIVersions: []string{"v1/Pod"}}, "MutatingWebhookConfiguration"},
		"a beta of policies": {
			Release{KubeVersion: "v1.34.0", APIVersions: []string{"v1/Pod", "admissionregistration.k8s.io/v1beta1/MutatingAdmissionPolicy"}}, "MutatingWebhookConfiguration",
		},
	} {
		c.release.Namespace, c.release.Values = "kube-system", map[string]any{"clusterName": "c"}
		made, err := c.release.Render(t.Context())
		require.NoError(t, err)
		found := map[string]bool{}
		for _, object := range made.Objects {
			if strings.HasPrefix(object.GetKind(), "Mutating") && !strings.HasSuffix(object.GetKind(), "Binding") {
				found[object.GetKind()] = true
			}
		}
		assert.Equal(t, map[string]bool{c.want: true}, found, name)
	}
	_, err := Release{KubeVersion: "v1.29.9", Values: map[string]any{"clusterName": "c"}}.Render(t.Context())
	require.ErrorContains(t, err, "incompatible with Kubernetes v1.29.9")
}

func TestEverythingHasTheLabelsOfTheRelease(t *testing.T) {
	for name, i := range installations {
		made, err := Release{Namespace: "kube-system", Values: i.valuesOf(t)}.Render(t.Context())
		require.NoError(t, err)
		for _, object := range made.Objects {
			got := object.GetLabels()
			assert.Equal(t, []string{"kube-aws-iam-controller-1.0.0", Name, Name, "v1.0.0", "Helm"}, []string{
				got["helm.sh/chart"], got["app.kubernetes.io/name"], got["app.kubernetes.io/instance"],
				got["app.kubernetes.io/version"], got["app.kubernetes.io/managed-by"],
			}, "%s: %s %s", name, object.GetKind(), object.GetName())
		}
	}
}

func TestWhatUsersSetReachesThePods(t *testing.T) {
	made := render(t, `
clusterName: c
imagePullSecrets: [{name: regcred}]
nodeSelector: {a: b}
tolerations: [{key: k, operator: Exists}]
affinity: {nodeAffinity: {requiredDuringSchedulingIgnoredDuringExecution: {nodeSelectorTerms: [{matchExpressions: [{key: x, operator: Exists}]}]}}}
topologySpreadConstraints: [{maxSkew: 1, topologyKey: zone, whenUnsatisfiable: DoNotSchedule}]
priorityClassName: none
extraArgs: [--debug]
extraEnv: [{name: HTTPS_PROXY, value: p}]
extraEnvFrom: [{secretRef: {name: key}}]
extraVolumes: [{name: v, emptyDir: {}}]
extraVolumeMounts: [{name: v, mountPath: /v}]
aws: {credentials: {mode: existingSecret, existingSecret: s}}
`)
	pod := made.pod(t)
	assert.Equal(t, "regcred", pod.ImagePullSecrets[0].Name)
	assert.Equal(t, map[string]string{"a": "b"}, pod.NodeSelector)
	assert.Equal(t, "k", pod.Tolerations[0].Key)
	assert.NotNil(t, pod.Affinity.NodeAffinity)
	require.Len(t, pod.TopologySpreadConstraints, 1)
	assert.Equal(t, "zone", pod.TopologySpreadConstraints[0].TopologyKey)
	assert.Empty(t, pod.PriorityClassName)
	assert.Equal(t, []string{"--leader-elect", "--debug"}, pod.Containers[0].Args)
	assert.Contains(t, pod.Containers[0].Env, corev1.EnvVar{Name: "HTTPS_PROXY", Value: "p"})
	assert.Contains(t, pod.Containers[0].Env, corev1.EnvVar{Name: "KUBE_AWS_IAM_CREDENTIALS_FILE", Value: "/var/run/secrets/aws/credentials.json"})
	assert.Equal(t, "key", pod.Containers[0].EnvFrom[1].SecretRef.Name)
	require.Len(t, pod.Volumes, 2)
	assert.Equal(t, "s", pod.Volumes[0].Secret.SecretName)
	assert.Equal(t, []corev1.VolumeMount{{Name: "aws-credentials", MountPath: "/var/run/secrets/aws", ReadOnly: true}, {Name: "v", MountPath: "/v"}}, pod.Containers[0].VolumeMounts)
	test := text(t, made.Hooks, "Pod", "kube-aws-iam-controller-test")
	for _, part := range []string{"regcred", "HTTPS_PROXY", "secretName: s", "- trust-policy", "name: check", "- /kubectl-aws_iam", `iam.amazonaws.com/inject: "false"`} {
		assert.Contains(t, test, part, "helm test is what the controller is")
	}
}

// TestTheNetworkPolicySelectsEveryPodOfTheChart and lets helm test and the Job reach AWS and the API server as the controller does.
func TestTheNetworkPolicySelectsEveryPodOfTheChart(t *testing.T) {
	made := render(t, `{clusterName: c}`)
	object, found := find(made.Objects, "NetworkPolicy", Name)
	require.True(t, found)
	var policy networkingv1.NetworkPolicy
	require.NoError(t, runtime.DefaultUnstructuredConverter.FromUnstructuredWithValidation(object.Object, &policy, true))
	selector, err := metav1.LabelSelectorAsSelector(&policy.Spec.PodSelector)
	require.NoError(t, err)
	job, found := find(made.Hooks, "Job", "kube-aws-iam-controller-uninstall")
	require.True(t, found)
	test, found := find(made.Hooks, "Pod", "kube-aws-iam-controller-test")
	require.True(t, found)
	deployment, found := find(made.Objects, "Deployment", Name)
	require.True(t, found)
	for _, pod := range []unstructured.Unstructured{deployment, job} {
		template, _, wrong := unstructured.NestedStringMap(pod.Object, "spec", "template", "metadata", "labels")
		require.NoError(t, wrong)
		assert.True(t, selector.Matches(klabels.Set(template)), pod.GetKind())
	}
	assert.True(t, selector.Matches(klabels.Set(test.GetLabels())), "helm test")
	service, found := find(made.Objects, "Service", Name)
	require.True(t, found)
	replicas, _, err := unstructured.NestedStringMap(service.Object, "spec", "selector")
	require.NoError(t, err)
	assert.False(t, klabels.SelectorFromSet(replicas).Matches(klabels.Set(test.GetLabels())), "the pod of helm test is no replica")
}

func TestAnotherServiceAccountIsTheControllerEverywhere(t *testing.T) {
	made, err := Release{Namespace: "iam", Values: values(t, `{clusterName: c, serviceAccount: {name: other}, metrics: {authentication: {enabled: true}}}`)}.Render(t.Context())
	require.NoError(t, err)
	assert.Equal(t, "other", made.pod(t).ServiceAccountName)
	assert.Contains(t, text(t, made.Objects, "ValidatingAdmissionPolicy", "kube-aws-iam-controller-guard-writes"), "'system:serviceaccount:iam:other'")
	assert.Regexp(t, `endsWith\('+:other'+\)`, text(t, made.Objects, "ValidatingAdmissionPolicy", "kube-aws-iam-controller-guard-controller"))
	bindings := 0
	for _, object := range made.Objects {
		if strings.HasSuffix(object.GetKind(), "RoleBinding") {
			bindings++
			assert.Equal(t, []any{map[string]any{"kind": "ServiceAccount", "name": "other", "namespace": "iam"}}, object.Object["subjects"], object.GetName())
		}
	}
	assert.Equal(t, 3, bindings)
}

func TestTheNotesHaveTheNextStepsWithTheInstallersValues(t *testing.T) {
	notes := render(t, `{clusterName: prod-1, aws: {credentials: {mode: irsa, roleArn: "arn:aws:iam::123456789012:role/x/c"}}}`).Notes
	for _, part := range []string{
		"serves all namespaces of the cluster prod-1", "by admission policy", "--namespace kube-system",
		"trust-policy demo", "--controller-role-arn=arn:aws:iam::123456789012:role/x/c", "kubectl apply -f -", "managedRoles.permissionsBoundary",
	} {
		assert.Contains(t, notes, part)
	}
	assert.Contains(t, notes, "The image kube-aws-iam-controller:v1.0.0 has no registry")
	notes = render(t, `{clusterName: c, image: {repository: r.example.com/c}, namespaces: {only: team-a}}`).Notes
	assert.Contains(t, notes, "serves the namespace team-a of")
	assert.Contains(t, notes, "namespace: team-a")
	assert.NotContains(t, notes, "has no registry")
	notes = render(t, `{clusterName: c, aws: {assumeRole: hop, credentials: {mode: irsa, roleArn: "arn:aws:iam::123456789012:role/c"}}}`).Notes
	assert.NotContains(t, notes, "--controller-role-arn", "roles trust the one that is assumed first")
}
