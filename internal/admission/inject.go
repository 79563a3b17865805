// Package admission gives pods the credentials of their ServiceAccount: what a
// pod is given, which is pure, and the webhook that applies it.
//
// manifests/components/admission-policy says the same in CEL. Both are held
// against the same pods, in testdata.
package admission

import (
	"fmt"
	"slices"

	corev1 "k8s.io/api/core/v1"

	"kube-aws-iam-controller/internal/api"
	"kube-aws-iam-controller/internal/identity"
)

const (
	volumeName = "aws-iam-credentials"
	mountPath  = "/meta/aws-iam"
)

// Settings are the installation's.
type Settings struct {
	// DefaultRegion is that of pods whose ServiceAccount names none, "" for
	// none.
	DefaultRegion string
	Sidecar       Sidecar
}

// A RefusedError says why a pod may not be created as it is.
type RefusedError struct{ Message string }

// Error returns the message.
func (e *RefusedError) Error() string { return e.Message }

// maxContainers is how many containers and init containers a pod may have that
// is given something: some five thousand operations, half a megabyte of them.
// The kubelet's own default is 110 pods to a node.
const maxContainers = 500

// Inject returns what has to be done to a pod so that its containers find the
// credentials of its ServiceAccount: nothing, if they do already. What the pod
// itself sets always wins, and nothing else of it changes. A pod that cannot be
// given what its ServiceAccount asks for is a *RefusedError.
func Inject(pod *Pod, give identity.Injection, settings Settings) (Patch, error) {
	if pod.leftAlone || give.Delivery == identity.DeliverNone || hasForeignVolume(pod, give) {
		return nil, nil
	}
	if reason := tooMany(pod); reason != "" {
		return nil, &RefusedError{Message: fmt.Sprintf("ServiceAccount %s: %s", give.Account, reason)}
	}
	if give.Region == "" {
		give.Region = settings.DefaultRegion
	}
	to := receivers(pod, give)
	if len(to) == 0 {
		return nil, nil
	}
	if pod.windows {
		return nil, &RefusedError{Message: fmt.Sprintf("ServiceAccount %s: %s", give.Account, forWindows)}
	}
	var patch Patch
	if len(pod.volumes.kept) == 0 {
		patch.appendTo("/spec/volumes", pod.volumes.length, credentials(give))
	}
	groups := variables(give)
	for _, r := range to {
		before := r.container.Env.length
		for i, variable := range missing(r.container.Env.kept, groups) {
			patch.appendTo(r.path+"/env", before+i, variable)
		}
		if give.Delivery != identity.DeliverEndpoint && !slices.Contains(r.container.VolumeMounts.kept, ourMount) {
			patch.appendTo(r.path+"/volumeMounts", r.container.VolumeMounts.length, mount)
		}
	}
	if give.Delivery == identity.DeliverEndpoint {
		return withSidecar(patch, pod, give, settings)
	}
	return patch, nil
}

// forWindows is why a pod for Windows nodes is refused.
const forWindows = "the pod is for Windows nodes, and every delivery works on Linux only: " +
	"set " + api.Prefix + "delivery to none on the ServiceAccount, or exclude the pod with the label " + api.InjectLabel + `: "false"`

// tooMany returns why a pod has too many containers, "" if it has not. The
// sidecar does not count, lest a pod with it be refused when it comes again.
func tooMany(pod *Pod) string {
	n := pod.containers.length + pod.initContainers.length
	if n <= maxContainers || n == maxContainers+1 && slices.ContainsFunc(pod.initContainers.kept, isSidecar) {
		return ""
	}
	return fmt.Sprintf("the pod has %d containers and init containers, and credentials are given to pods with %d at most; "+
		"give it fewer, or leave it alone with the label %s: \"false\"", n, maxContainers, api.InjectLabel)
}

// A receiver is a container that is given credentials, and where it is.
type receiver struct {
	path      string
	container *container
}

// receivers returns the containers that are to be given something: not those
// that the pod names, nor those that have something else at our path.
func receivers(pod *Pod, give identity.Injection) []receiver {
	var found []receiver
	add := func(path string, containers []container, own func(*container) bool) {
		for i := range containers {
			if c := &containers[i]; !c.skipped && !own(c) {
				found = append(found, receiver{fmt.Sprintf("%s/%d", path, i), c})
			}
		}
	}
	if give.Delivery == identity.DeliverEndpoint { // which needs no mount, and whose sidecar is not to be given anything
		add("/spec/containers", pod.containers.kept, func(*container) bool { return false })
		add("/spec/initContainers", pod.initContainers.kept, func(c *container) bool { return isSidecar(*c) })
		return found
	}
	foreign := func(c *container) bool { return slices.Contains(c.VolumeMounts.kept, foreignMount) }
	add("/spec/containers", pod.containers.kept, foreign)
	add("/spec/initContainers", pod.initContainers.kept, foreign)
	return found
}

// hasForeignVolume says whether a volume of our name is not the one we would
// add. Whoever has one has wired the pod by hand.
func hasForeignVolume(pod *Pod, give identity.Injection) bool {
	return slices.ContainsFunc(pod.volumes.kept, func(v secretVolume) bool { return string(v) != give.SecretName })
}

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
