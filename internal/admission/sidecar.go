package admission

import (
	"fmt"
	"slices"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"

	"kube-aws-iam-controller/internal/identity"
)

const (
	sidecarName = "aws-iam-credentials"
	endpointURL = "http://127.0.0.1:9911/v1/credentials"
	// sidecarProgram is its path in the image.
	sidecarProgram = "/credentials-server"
)

// withSidecar adds the container that serves the endpoint, before all others,
// so that init containers find it as well.
func withSidecar(patch Patch, pod *Pod, give identity.Injection, settings Settings) (Patch, error) {
	if reason := noSidecar(pod, settings); reason != "" {
		return nil, &RefusedError{Message: fmt.Sprintf("ServiceAccount %s: delivery endpoint: %s", give.Account, reason)}
	}
	if !slices.ContainsFunc(pod.initContainers.kept, isSidecar) {
		patch.prependTo("/spec/initContainers", pod.initContainers.length, sidecar(settings))
	}
	return patch, nil
}

// noSidecar returns why a pod cannot have the sidecar, "" if it can.
func noSidecar(pod *Pod, settings Settings) string {
	named := func(c container) bool { return c.Name == sidecarName }
	foreign := func(c container) bool { return named(c) && !isSidecar(c) }
	switch {
	case settings.SidecarImage == "":
		return "this installation names no image for the sidecar; choose process or file"
	case pod.hostNetwork:
		return "on the host's network every process of the node could reach the endpoint; choose process or file, or give the pod a network of its own"
	case slices.ContainsFunc(pod.containers.kept, named) || slices.ContainsFunc(pod.initContainers.kept, foreign):
		return "the sidecar's name, " + sidecarName + ", is taken by a container of the pod; give that container another name"
	default:
		return ""
	}
}

// isSidecar says whether an init container is what sidecar returns, as far as
// it matters: it runs along, and has the credentials.
func isSidecar(c container) bool {
	return c.Name == sidecarName && c.RestartPolicy == string(corev1.ContainerRestartPolicyAlways) &&
		slices.Contains(c.VolumeMounts.kept, ourMount)
}

// sidecar returns a native sidecar that the restricted Pod Security Standard
// admits. The others start once its probe says that it has credentials:
// https://kubernetes.io/docs/concepts/workloads/pods/sidecar-containers/.
func sidecar(settings Settings) corev1.Container {
	always := corev1.ContainerRestartPolicyAlways
	yes, no, user := true, false, int64(65532)
	return corev1.Container{
		Name:          sidecarName,
		Image:         settings.SidecarImage,
		Command:       []string{sidecarProgram},
		RestartPolicy: &always,
		Resources: corev1.ResourceRequirements{
			Requests: corev1.ResourceList{
				corev1.ResourceCPU:    resource.MustParse("5m"),
				corev1.ResourceMemory: resource.MustParse("16Mi"),
			},
			Limits: corev1.ResourceList{corev1.ResourceMemory: resource.MustParse("32Mi")},
		},
		VolumeMounts: []corev1.VolumeMount{mount},
		// Nothing but a program in the container itself reaches loopback.
		StartupProbe: &corev1.Probe{
			ProbeHandler:     corev1.ProbeHandler{Exec: &corev1.ExecAction{Command: []string{sidecarProgram, "probe"}}},
			PeriodSeconds:    1,
			TimeoutSeconds:   5,
			FailureThreshold: 300,
		},
		SecurityContext: &corev1.SecurityContext{
			AllowPrivilegeEscalation: &no,
			Capabilities:             &corev1.Capabilities{Drop: []corev1.Capability{"ALL"}},
			ReadOnlyRootFilesystem:   &yes,
			RunAsNonRoot:             &yes,
			RunAsUser:                &user,
			RunAsGroup:               &user,
			SeccompProfile:           &corev1.SeccompProfile{Type: corev1.SeccompProfileTypeRuntimeDefault},
		},
	}
}
