// Package admission gives pods the credentials of their ServiceAccount: what a
// pod is given, which is pure, and the webhook that applies it.
//
// manifests/components/admission-policy says the same in CEL. Both are held
// against the same pods, in testdata.
package admission

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"

	"kube-aws-iam-controller/internal/identity"
)

const (
	// injectLabel on a Pod, with the value "false", leaves it alone.
	injectLabel = identity.Prefix + "inject"
	// skipAnnotation on a Pod names containers that are given nothing.
	skipAnnotation = identity.Prefix + "skip-containers"

	volumeName = "aws-iam-credentials"
	mountPath  = "/meta/aws-iam"
)

// taken is any path at or below ours, however it is spelt. Below a read-only
// mount nothing else can be mounted.
var taken = regexp.MustCompile(`^/*meta/+aws-iam(/|$)`)

// Settings are the installation's.
type Settings struct {
	// DefaultRegion is that of pods whose ServiceAccount names none, "" for
	// none.
	DefaultRegion string
	// SidecarImage holds credentials-server, for the delivery endpoint.
	SidecarImage string
}

// A RefusedError says why a pod may not be created as it is.
type RefusedError struct{ Message string }

// Error returns the message.
func (e *RefusedError) Error() string { return e.Message }

// leftAlone says whether the pod is never given anything: because it says so,
// or because it is the mirror of what a node runs anyway.
func leftAlone(pod *corev1.Pod) bool {
	_, mirror := pod.Annotations[corev1.MirrorPodAnnotationKey]
	return mirror || pod.Labels[injectLabel] == "false"
}

// Inject returns what has to be done to a pod so that its containers find the
// credentials of its ServiceAccount: nothing, if they do already. What the pod
// itself sets always wins, and nothing else of it changes. A pod that cannot be
// given what its ServiceAccount asks for is a *RefusedError.
func Inject(pod *corev1.Pod, give identity.Injection, settings Settings) (Patch, error) {
	if leftAlone(pod) || give.Delivery == identity.DeliverNone || hasForeignVolume(pod, give) {
		return nil, nil
	}
	if give.Region == "" {
		give.Region = settings.DefaultRegion
	}
	to := receivers(pod, give)
	if len(to) == 0 {
		return nil, nil
	}
	var patch Patch
	if !slices.ContainsFunc(pod.Spec.Volumes, isOurs) {
		patch.appendTo("/spec/volumes", len(pod.Spec.Volumes), credentials(give))
	}
	for _, r := range to {
		before := len(r.container.Env)
		for i, variable := range missing(r.container.Env, variables(give)) {
			patch.appendTo(r.path+"/env", before+i, variable)
		}
		if give.Delivery != identity.DeliverEndpoint && !slices.ContainsFunc(r.container.VolumeMounts, isOurMount) {
			patch.appendTo(r.path+"/volumeMounts", len(r.container.VolumeMounts), mount)
		}
	}
	if give.Delivery == identity.DeliverEndpoint {
		return withSidecar(patch, pod, give, settings)
	}
	return patch, nil
}

// A receiver is a container that is given credentials, and where it is.
type receiver struct {
	path      string
	container *corev1.Container
}

// receivers returns the containers that are to be given something: not those
// that the pod names, nor those that have something else at our path.
func receivers(pod *corev1.Pod, give identity.Injection) []receiver {
	skipped := strings.Split(pod.Annotations[skipAnnotation], ",")
	for i := range skipped {
		skipped[i] = strings.TrimSpace(skipped[i])
	}
	var found []receiver
	add := func(path string, containers []corev1.Container) {
		for i := range containers {
			c := &containers[i]
			if !slices.Contains(skipped, c.Name) && !hasOwn(c, give) {
				found = append(found, receiver{fmt.Sprintf("%s/%d", path, i), c})
			}
		}
	}
	add("/spec/containers", pod.Spec.Containers)
	add("/spec/initContainers", pod.Spec.InitContainers)
	return found
}

// hasOwn says whether a container is not to be given anything: it has something
// of its own where the credentials would be, or is itself the sidecar.
func hasOwn(c *corev1.Container, give identity.Injection) bool {
	if give.Delivery == identity.DeliverEndpoint {
		return c.Name == sidecarName
	}
	return slices.ContainsFunc(c.VolumeMounts, func(m corev1.VolumeMount) bool {
		return taken.MatchString(m.MountPath) && !isOurMount(m)
	})
}

// hasForeignVolume says whether a volume of our name is not the one we would
// add. Whoever has one has wired the pod by hand.
func hasForeignVolume(pod *corev1.Pod, give identity.Injection) bool {
	return slices.ContainsFunc(pod.Spec.Volumes, func(v corev1.Volume) bool {
		return isOurs(v) && (v.Secret == nil || v.Secret.SecretName != give.SecretName ||
			len(v.Secret.Items) > 0 || v.Secret.Optional != nil && *v.Secret.Optional)
	})
}

func isOurs(v corev1.Volume) bool { return v.Name == volumeName }

func isOurMount(m corev1.VolumeMount) bool { return m.Name == volumeName && m.MountPath == mountPath }

// mount is where containers find the files.
var mount = corev1.VolumeMount{Name: volumeName, MountPath: mountPath, ReadOnly: true}

// credentials returns the volume. It is readable for every user, because
// containers run as any; it is not optional, so that the kubelet waits for the
// Secret.
func credentials(give identity.Injection) corev1.Volume {
	readable := int32(0o444)
	return corev1.Volume{Name: volumeName, VolumeSource: corev1.VolumeSource{
		Secret: &corev1.SecretVolumeSource{SecretName: give.SecretName, DefaultMode: &readable},
	}}
}
