package plugin

import (
	"context"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"kube-aws-iam-controller/test/kit"
)

// accountName makes an object's name of words.
func accountName(words string) string {
	return strings.Trim(regexp.MustCompile(`[^a-z0-9]+`).ReplaceAllString(strings.ToLower(words), "-"), "-")
}

// podOf returns a pod of a ServiceAccount.
func podOf(account string, change ...func(*corev1.Pod)) *corev1.Pod {
	pod := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Labels: map[string]string{"app": "test"}, Annotations: map[string]string{}}}
	pod.Spec.ServiceAccountName = account
	pod.Spec.Containers = []corev1.Container{{Name: "app", Image: "registry.example/app"}}
	for _, c := range change {
		c(pod)
	}
	return pod
}

func env(name, value string) func(*corev1.Pod) {
	return func(p *corev1.Pod) {
		p.Spec.Containers[0].Env = append(p.Spec.Containers[0].Env, corev1.EnvVar{Name: name, Value: value})
	}
}

func annotation(name, value string) func(*corev1.Pod) {
	return func(p *corev1.Pod) { p.Annotations[name] = value }
}

// volume mounts an empty directory.
func volume(name, path string) func(*corev1.Pod) {
	return func(p *corev1.Pod) {
		p.Spec.Volumes = append(p.Spec.Volumes, corev1.Volume{Name: name, VolumeSource: corev1.VolumeSource{EmptyDir: &corev1.EmptyDirVolumeSource{}}})
		p.Spec.Containers[0].VolumeMounts = append(p.Spec.Containers[0].VolumeMounts, corev1.VolumeMount{Name: name, MountPath: path})
	}
}

// said has the container have ended with a message.
func said(message string) func(*corev1.Pod) {
	return func(p *corev1.Pod) {
		p.Status.ContainerStatuses = []corev1.ContainerStatus{{Name: "app", State: corev1.ContainerState{
			Terminated: &corev1.ContainerStateTerminated{ExitCode: 128, Reason: "StartError", Message: message},
		}}}
	}
}

// podSituations are pods without credentials, or with others than they should have. Their ServiceAccounts have a role, by
// the delivery that they are named after, but for default.
var podSituations = []struct {
	name, account string
	pod           func(*corev1.Pod)
	// status is what the kubelet would say.
	status func(*corev1.Pod)
	want   verdict
}{
	{"the default ServiceAccount", "default", nil, nil, verdict{"serviceaccount", "runs as the ServiceAccount default, which asks for nothing", "set serviceAccountName"}},
	{"the annotation of kube2iam", "default", annotation("iam.amazonaws.com/role", "app"), nil,
		verdict{"serviceaccount", "is for kube2iam and kiam, and is not read", "kubectl annotate serviceaccount default"}},
	{"opted out", "process", func(p *corev1.Pod) { p.Labels["iam.amazonaws.com/inject"] = "false" }, nil,
		verdict{"injection", "has the label iam.amazonaws.com/inject", "remove the label"}},
	{"every container left out", "process", annotation("iam.amazonaws.com/skip-containers", "app"), nil,
		verdict{"injection", "names every container", "remove the annotation"}},
	{"a volume of its own", "process", volume("aws-iam-credentials", "/data"), nil, verdict{"injection", "has a volume aws-iam-credentials of its own", "remove the volume"}},
	{"a mount of its own", "process", volume("data", "/meta/aws-iam/cache"), nil, verdict{"injection", "the volume data is mounted at /meta/aws-iam/cache", "mount that volume elsewhere"}},
	{"keys in the environment", "process", env("AWS_ACCESS_KEY_ID", "AKIAEXAMPLE"), nil, verdict{"container app", "AWS_ACCESS_KEY_ID (from env)", "remove the variable"}},
	{"keys from a Secret", "process", func(p *corev1.Pod) {
		p.Spec.Containers[0].EnvFrom = []corev1.EnvFromSource{{SecretRef: &corev1.SecretEnvSource{LocalObjectReference: corev1.LocalObjectReference{Name: "keys"}}}}
	}, nil, verdict{"container app", "AWS_ACCESS_KEY_ID (from secret/keys)", "remove the variable"}},
	{"the web identity of IRSA", "process", env("AWS_WEB_IDENTITY_TOKEN_FILE", "/var/run/token"), nil, verdict{"container app", "prefer a web identity", "remove the variable"}},
	{"a profile", "process", env("AWS_PROFILE", "production"), nil, verdict{"container app", "AWS_PROFILE", "remove the variable"}},
	{"a file of its own", "process", env("AWS_SHARED_CREDENTIALS_FILE", "/home/app/.aws/credentials"), nil,
		verdict{"container app", "and not /meta/aws-iam/credentials.process", "remove the variable"}},
	{"a configuration of its own", "file", env("AWS_SHARED_CREDENTIALS_FILE", "/home/app/.aws/credentials"), nil,
		verdict{"container app", "and not /meta/aws-iam/credentials", "remove the variable"}},
	{"the endpoint of Pod Identity", "endpoint", env("AWS_CONTAINER_CREDENTIALS_FULL_URI", "http://169.254.170.23/v1/credentials"), nil,
		verdict{"container app", "EKS Pod Identity", "remove the variable"}},
	{"an image without a shell", "process", nil, said(`failed to run: exec: "sh": executable file not found in $PATH`),
		verdict{"credential_process", "has no shell or no cat", "iam.amazonaws.com/delivery=endpoint"}},
	{"a sidecar whose image is not there", "endpoint", nil, func(p *corev1.Pod) {
		p.Status.InitContainerStatuses = []corev1.ContainerStatus{{Name: "aws-iam-credentials", State: corev1.ContainerState{
			Waiting: &corev1.ContainerStateWaiting{Reason: "ImagePullBackOff", Message: "Back-off pulling image"},
		}}}
	}, verdict{"sidecar", "ImagePullBackOff", "kubectl describe pod"}},
	{"a pod without a node", "process", nil, func(p *corev1.Pod) {
		p.Status = corev1.PodStatus{Phase: corev1.PodPending, Conditions: []corev1.PodCondition{
			{Type: corev1.PodScheduled, Status: corev1.ConditionFalse, Reason: "Unschedulable", Message: "0/3 nodes are available"},
		}}
	}, verdict{"kubelet", "0/3 nodes are available", "kubectl describe pod"}},
}

// create creates a pod whose status is that of one that runs, unless it is changed.
func (w *explainWorld) create(t *testing.T, name string, pod *corev1.Pod, status func(*corev1.Pod)) *corev1.Pod {
	t.Helper()
	pod.Name = name
	made, err := w.Client().CoreV1().Pods(w.team).Create(t.Context(), pod, metav1.CreateOptions{})
	require.NoError(t, err)
	made.Status = running
	if status != nil {
		status(made)
	}
	made, err = w.Client().CoreV1().Pods(w.team).UpdateStatus(t.Context(), made, metav1.UpdateOptions{})
	require.NoError(t, err)
	return made
}

// testPods explains each of the situations.
func (w *explainWorld) testPods(t *testing.T) {
	for _, s := range podSituations {
		t.Run(s.name, func(t *testing.T) {
			pod := podOf(s.account)
			if s.pod != nil {
				s.pod(pod)
			}
			name := accountName(s.name)
			w.create(t, name, pod, s.status)
			w.broken(t, nil, w.team, "pod/"+name, s.want)
		})
	}
	t.Run("older than the annotation", w.testOlderPod)
	t.Run("refused by admission", func(t *testing.T) {
		w.replicas(t, "hosted", podOf("endpoint", func(p *corev1.Pod) { p.Spec.HostNetwork = true }))
		w.broken(t, nil, w.team, "pod/hosted", verdict{"pod creation", "on the host's network", "change the pod"})
		w.broken(t, nil, w.team, "sa/endpoint", verdict{"pod creation", "on the host's network", "change the pod"})
	})
	t.Run("for Windows", func(t *testing.T) {
		w.replicas(t, "windows", podOf("process", func(p *corev1.Pod) { p.Spec.NodeSelector = map[string]string{"kubernetes.io/os": "windows"} }))
		w.broken(t, nil, w.team, "pod/windows", verdict{"pod creation", "Windows nodes", "change the pod"})
	})
	t.Run("the Secret of another ServiceAccount", func(t *testing.T) {
		w.replicas(t, "thief", podOf("file", func(p *corev1.Pod) {
			p.Spec.Volumes = []corev1.Volume{{Name: "stolen", VolumeSource: corev1.VolumeSource{Secret: &corev1.SecretVolumeSource{SecretName: "process.aws-iam"}}}}
		}))
		w.broken(t, nil, w.team, "pod/thief", verdict{"pod creation", "names the Secret of another one", "its own ServiceAccount"})
	})
	t.Run("no such pod", func(t *testing.T) {
		w.broken(t, nil, w.team, "pod/nobody", verdict{"pod creation", "there is no pod nobody", "kubectl get pods"})
	})
}

// testOlderPod annotates a ServiceAccount after its pod was created: times are in seconds, so it waits for the next one.
func (w *explainWorld) testOlderPod(t *testing.T) {
	_, err := kit.In(w.Access, w.team).Account(t.Context(), "later", nil)
	require.NoError(t, err)
	pod := w.create(t, "older", podOf("later"), nil)
	require.NoError(t, kit.Eventually(t.Context(), within, func(ctx context.Context) error {
		account, err := w.Client().CoreV1().ServiceAccounts(w.team).Get(ctx, "later", metav1.GetOptions{})
		if err != nil || time.Since(pod.CreationTimestamp.Time) < 2*time.Second {
			return apierrors.NewTooManyRequests("too early", 1)
		}
		account.Annotations = map[string]string{"iam.amazonaws.com/role": "app"}
		_, err = w.Client().CoreV1().ServiceAccounts(w.team).Update(ctx, account, metav1.UpdateOptions{})
		return err
	}))
	w.secret(t, "later")
	w.broken(t, nil, w.team, "pod/older", verdict{"injection", "before its ServiceAccount asked for a role", "kubectl delete pod older"})
	w.broken(t, nil, w.team, "sa/later", verdict{"pod older", "before its ServiceAccount asked for a role", "kubectl delete pod older"})
}

// secret waits for the credentials of a ServiceAccount.
func (w *explainWorld) secret(t *testing.T, account string) {
	t.Helper()
	_, err := kit.In(w.Access, w.team).Secret(t.Context(), account+".aws-iam", nil)
	require.NoError(t, err)
}

// replicas creates a ReplicaSet of one pod, which tries again until the test ends.
func (w *explainWorld) replicas(t *testing.T, name string, pod *corev1.Pod) {
	t.Helper()
	set := &appsv1.ReplicaSet{ObjectMeta: metav1.ObjectMeta{Name: name}}
	set.Spec.Selector = &metav1.LabelSelector{MatchLabels: pod.Labels}
	set.Spec.Template.ObjectMeta, set.Spec.Template.Spec = pod.ObjectMeta, pod.Spec
	pod.Labels["app"] = name
	sets := w.Client().AppsV1().ReplicaSets(w.team)
	_, err := sets.Create(t.Context(), set, metav1.CreateOptions{})
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, sets.Delete(context.Background(), name, metav1.DeleteOptions{})) })
}
