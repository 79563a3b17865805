package admission

import (
	"cmp"
	"slices"

	corev1 "k8s.io/api/core/v1"

	"kube-aws-iam-controller/internal/identity"
)

const (
	// SidecarName is the name of the container that serves the endpoint.
	SidecarName = "aws-iam-credentials"
	endpointURL = "http://127.0.0.1:9911/v1/credentials"
	// sidecarProgram is the path of the program in the image.
	sidecarProgram = "/credentials-server"
	// sidecarUser is the user of the image.
	sidecarUser = 65532
)

// A Sidecar holds the installation's settings of the container that serves the
// endpoint.
type Sidecar struct {
	// Image is the image with credentials-server. Without one, pods with the delivery
	// endpoint are refused.
	Image string
	// ImagePullPolicy is the pull policy, "" for the API server's default.
	ImagePullPolicy corev1.PullPolicy
	// Requests and Limits are those of the container, as far as they fit the pod.
	Requests, Limits corev1.ResourceList
	// SecurityContext overrides the defaults. Only its numbers and booleans are used.
	SecurityContext corev1.SecurityContext
}

// withSidecar adds the container that serves the endpoint, before all others, so that
// init containers can use it as well.
func withSidecar(patch Patch, pod *Pod, injection identity.Injection, settings Settings) (Patch, error) {
	if reason := noSidecar(pod, settings); reason != "" {
		return nil, refused(injection, "delivery endpoint: "+reason)
	}
	if !slices.ContainsFunc(pod.initContainers.kept, isSidecar) {
		patch.prependTo("/spec/initContainers", pod.initContainers.length, sidecar(pod, &settings.Sidecar))
	}
	return patch, nil
}

// noSidecar returns why a pod cannot have the sidecar, "" if it can.
func noSidecar(pod *Pod, settings Settings) string {
	hasName := func(c container) bool { return c.Name == SidecarName }
	foreign := func(c container) bool { return hasName(c) && !isSidecar(c) }
	switch {
	case settings.Sidecar.Image == "":
		return "this installation names no image for the sidecar; choose process or file"
	case pod.hostNetwork:
		return "on the host's network every process of the node could reach the endpoint; choose process or file, or give the pod a network of its own"
	case slices.ContainsFunc(pod.containers.kept, hasName) || slices.ContainsFunc(pod.initContainers.kept, foreign):
		return "the sidecar's name, " + SidecarName + ", is taken by a container of the pod; give that container another name"
	default:
		return ""
	}
}

// isSidecar says whether an init container is our sidecar, as far as it matters: it
// is restarted when it ends, and has the credentials.
func isSidecar(c container) bool {
	return c.Name == SidecarName && c.RestartPolicy == string(corev1.ContainerRestartPolicyAlways) &&
		slices.Contains(c.VolumeMounts.kept, ourMount)
}

// sidecar returns a native sidecar that the restricted Pod Security Standard admits.
// The kubelet starts the containers after it once it runs:
// https://kubernetes.io/docs/concepts/workloads/pods/sidecar-containers/. It has no startup
// probe, which would delay them by more than a second: see docs/adr/0018.
func sidecar(pod *Pod, settings *Sidecar) corev1.Container {
	always := corev1.ContainerRestartPolicyAlways
	return corev1.Container{
		Name:            SidecarName,
		Image:           settings.Image,
		ImagePullPolicy: settings.ImagePullPolicy,
		Command:         []string{sidecarProgram},
		Env:             []corev1.EnvVar{podUID("POD_UID")},
		RestartPolicy:   &always,
		Resources:       sidecarResources(pod, settings),
		VolumeMounts:    []corev1.VolumeMount{mount},
		SecurityContext: sidecarSecurity(pod, &settings.SecurityContext),
	}
}

// sidecarSecurity sets no user by default, because clusters may assign each namespace
// a range of them, and that of the image is not root. It sets one if the pod says that
// its containers run as root.
func sidecarSecurity(pod *Pod, settings *corev1.SecurityContext) *corev1.SecurityContext {
	enabled, disabled := true, false
	var user *int64
	if pod.runsAsRoot {
		user = new(int64(sidecarUser))
	}
	return &corev1.SecurityContext{
		AllowPrivilegeEscalation: cmp.Or(settings.AllowPrivilegeEscalation, &disabled),
		Capabilities:             &corev1.Capabilities{Drop: []corev1.Capability{"ALL"}},
		Privileged:               settings.Privileged,
		ReadOnlyRootFilesystem:   cmp.Or(settings.ReadOnlyRootFilesystem, &enabled),
		RunAsNonRoot:             cmp.Or(settings.RunAsNonRoot, &enabled),
		RunAsUser:                cmp.Or(settings.RunAsUser, user),
		RunAsGroup:               settings.RunAsGroup,
		SeccompProfile:           &corev1.SeccompProfile{Type: corev1.SeccompProfileTypeRuntimeDefault},
	}
}
