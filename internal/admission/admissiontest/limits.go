package admissiontest

import (
	"fmt"
	"strings"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// A Limit is how much of something a pod may have to be given credentials.
type Limit struct {
	// Of is what is limited, Most how many there may be.
	Of   string
	Most int
	// Refusal is the message for one more, but for the name of the ServiceAccount.
	Refusal string

	add func(pod *corev1.Pod, n int)
}

// Pod returns a pod of the ServiceAccount with n of them, which is valid. It has no
// token of its ServiceAccount, which would be a volume and mounts.
func (l Limit) Pod(account string, n int) *corev1.Pod {
	pod := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: "limit"}, Spec: corev1.PodSpec{
		ServiceAccountName: account, AutomountServiceAccountToken: new(false),
		Containers: []corev1.Container{{Name: "app", Image: "registry.example/app"}},
		Volumes:    []corev1.Volume{{Name: "data", VolumeSource: corev1.VolumeSource{EmptyDir: &corev1.EmptyDirVolumeSource{}}}},
	}}
	l.add(pod, n)
	return pod
}

// Limits returns all of them but the one of containers.
func Limits() []Limit {
	limits := []Limit{
		{"volumes", 1000, "has 1001 volumes; a pod that is given credentials may have at most 1000", func(pod *corev1.Pod, n int) {
			for i := range n - 1 {
				pod.Spec.Volumes = append(pod.Spec.Volumes, corev1.Volume{Name: fmt.Sprintf("data-%d", i), VolumeSource: pod.Spec.Volumes[0].VolumeSource})
			}
		}},
		{"variables of a container", 1000, "has a container with 1001 environment variables or volume mounts; a pod that is given credentials may have at most 1000",
			func(pod *corev1.Pod, n int) { pod.Spec.Containers[0].Env = variables(n) }},
		{"mounts of an init container", 1000, "has a container with 1001 environment variables or volume mounts; a pod that is given credentials may have at most 1000",
			func(pod *corev1.Pod, n int) {
				pod.Spec.InitContainers = []corev1.Container{{Name: "setup", Image: "registry.example/setup"}}
				for i := range n {
					pod.Spec.InitContainers[0].VolumeMounts = append(pod.Spec.InitContainers[0].VolumeMounts,
						corev1.VolumeMount{Name: "data", MountPath: fmt.Sprintf("/data/%d", i)})
				}
			}},
		{"variables of all containers", 10_000, "has 10001 environment variables and volume mounts; a pod that is given credentials may have at most 10000",
			func(pod *corev1.Pod, n int) {
				for i := 0; n > 0; i++ {
					pod.Spec.InitContainers = append(pod.Spec.InitContainers, corev1.Container{
						Name: fmt.Sprintf("setup-%d", i), Image: "registry.example/setup", Env: variables(min(n, 500)),
					})
					n -= 500
				}
			}},
		{"characters of a mount path", 1000, "has a mount path of more than 1000 characters; a pod that is given credentials may have at most 1000",
			func(pod *corev1.Pod, n int) {
				pod.Spec.Containers[0].VolumeMounts = []corev1.VolumeMount{{Name: "data", MountPath: "/" + strings.Repeat("ä", n-1)}}
			}},
		{"names to skip", 1000, "has 1001 names in iam.amazonaws.com/skip-containers; a pod that is given credentials may have at most 1000",
			func(pod *corev1.Pod, n int) {
				pod.Annotations = map[string]string{"iam.amazonaws.com/skip-containers": strings.Repeat("other,", n-1)}
			}},
	}
	for i := range limits {
		limits[i].Refusal = "the pod " + limits[i].Refusal + `: reduce this, or opt the pod out with the label iam.amazonaws.com/inject: "false"`
	}
	return limits
}

func variables(n int) (all []corev1.EnvVar) {
	for i := range n {
		all = append(all, corev1.EnvVar{Name: fmt.Sprintf("SETTING_%d", i), Value: "x"})
	}
	return all
}
