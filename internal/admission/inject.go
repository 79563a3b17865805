// Package admission injects credentials into pods. Inject decides what a pod is
// given; a Webhook has the API server apply it.
//
// manifests/components/admission-policy implements the same in CEL. Both are tested
// with the same pods, in testdata.
package admission

import (
	"fmt"
	"slices"

	corev1 "k8s.io/api/core/v1"

	"kube-aws-iam-controller/internal/api"
	"kube-aws-iam-controller/internal/identity"
)

const (
	// VolumeName is the name of the volume with the Secret.
	VolumeName = "aws-iam-credentials"
	// MountPath is where containers have that volume.
	MountPath = "/meta/aws-iam"
)

// Settings are the settings of the installation.
type Settings struct {
	// DefaultRegion is the region of pods whose ServiceAccount names none, "" for no
	// region.
	DefaultRegion string
	Sidecar       Sidecar
}

// A RefusedError says why a pod may not be created as it is.
type RefusedError struct{ Message string }

// Error implements error.
func (e *RefusedError) Error() string { return e.Message }

// refused returns the refusal of a pod of the ServiceAccount.
func refused(injection identity.Injection, reason string) error {
	return &RefusedError{Message: fmt.Sprintf("ServiceAccount %s: %s", injection.Account, reason)}
}

// Inject returns the patch that gives a pod the credentials of its ServiceAccount,
// empty if it has them already. It changes nothing that the pod sets itself. If the
// pod cannot be given what its ServiceAccount asks for, the error is a *RefusedError.
func Inject(pod *Pod, injection identity.Injection, settings Settings) (Patch, error) {
	if pod.excluded || injection.Delivery == identity.DeliverNone {
		return nil, nil
	}
	if reason := tooManyVolumes(pod); reason != "" {
		return nil, refused(injection, reason)
	}
	if hasForeignVolume(pod, injection) {
		return nil, nil
	}
	if reason := tooMuch(pod); reason != "" {
		return nil, refused(injection, reason)
	}
	if injection.Region == "" {
		injection.Region = settings.DefaultRegion
	}
	targets := injectionTargets(pod, injection)
	if len(targets) == 0 {
		return nil, nil
	}
	if pod.windows {
		return nil, refused(injection, windowsPod)
	}
	patch := wire(pod, targets, injection)
	if injection.Delivery == identity.DeliverEndpoint {
		return withSidecar(patch, pod, injection, settings)
	}
	return patch, nil
}

// wire returns the patch that adds the volume to the pod, and the mount and the
// environment variables to its containers.
func wire(pod *Pod, targets []target, injection identity.Injection) (patch Patch) {
	if len(pod.volumes.kept) == 0 {
		patch.appendTo("/spec/volumes", pod.volumes.length, credentialsVolume(injection))
	}
	groups := variables(injection)
	for _, t := range targets {
		length := t.container.Env.length
		for i, v := range missing(t.container.Env.kept, groups) {
			patch.appendTo(t.path+"/env", length+i, v)
		}
		if injection.Delivery != identity.DeliverEndpoint && !slices.Contains(t.container.VolumeMounts.kept, ourMount) {
			patch.appendTo(t.path+"/volumeMounts", t.container.VolumeMounts.length, mount)
		}
	}
	return patch
}

// windowsPod is why a pod for Windows nodes is refused.
const windowsPod = "the pod is for Windows nodes, and every delivery works on Linux only: " +
	"set " + api.Prefix + "delivery to none on the ServiceAccount, or exclude the pod with the label " + api.InjectLabel + `: "false"`

// A target is a container that is given credentials.
type target struct {
	path      string // JSON pointer
	container *container
}

// injectionTargets returns the containers to be given credentials: not those that
// the pod excludes, nor those that have something else mounted at our path.
func injectionTargets(pod *Pod, injection identity.Injection) []target {
	var targets []target
	add := func(path string, containers []container, except func(*container) bool) {
		for i := range containers {
			if c := &containers[i]; !c.skipped && !except(c) {
				targets = append(targets, target{fmt.Sprintf("%s/%d", path, i), c})
			}
		}
	}
	if injection.Delivery == identity.DeliverEndpoint { // which mounts nothing but into the sidecar
		add("/spec/containers", pod.containers.kept, func(*container) bool { return false })
		add("/spec/initContainers", pod.initContainers.kept, func(c *container) bool { return isSidecar(*c) })
		return targets
	}
	foreign := func(c *container) bool { return slices.Contains(c.VolumeMounts.kept, foreignMount) }
	add("/spec/containers", pod.containers.kept, foreign)
	add("/spec/initContainers", pod.initContainers.kept, foreign)
	return targets
}

// hasForeignVolume says whether the pod has a volume with our name that is not the
// one we would add: its author has wired the pod by hand.
func hasForeignVolume(pod *Pod, injection identity.Injection) bool {
	return slices.ContainsFunc(pod.volumes.kept, func(s secretName) bool { return string(s) != injection.SecretName })
}

// mount is where containers find the files.
var mount = corev1.VolumeMount{Name: VolumeName, MountPath: MountPath, ReadOnly: true}

// credentialsVolume returns the volume. Its files are readable by every user, since
// containers run as any. It is not optional, so that the kubelet waits for the Secret.
func credentialsVolume(injection identity.Injection) corev1.Volume {
	readable := int32(0o444)
	return corev1.Volume{Name: VolumeName, VolumeSource: corev1.VolumeSource{
		Secret: &corev1.SecretVolumeSource{SecretName: injection.SecretName, DefaultMode: &readable},
	}}
}
