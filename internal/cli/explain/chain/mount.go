package chain

import (
	"fmt"
	"path"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"

	"kube-aws-iam-controller/internal/cli/finding"
)

// podMountsByHand reports whether a pod has to mount the Secret of an AWSIAMRole
// itself.
func podMountsByHand(f *Facts) bool { return hasPod(f) && isAWSIAMRole(f) }

// pointers are the variables that point SDKs at a file.
var pointers = []string{"AWS_SHARED_CREDENTIALS_FILE", "AWS_CONFIG_FILE", "AWS_CREDENTIAL_PROFILES_FILE"}

var mountRules = []rule{
	func(f *Facts) *finding.Finding {
		mounted := 0
		for _, c := range f.applications() {
			paths := mountPaths(&c, volumesOf(f.Pod.Value, f.SecretName()))
			if mounted += len(paths); slices.ContainsFunc(paths, func(at string) bool { return f.pointsAt(&c, at) }) {
				return ok("the container " + c.Name + " is pointed at the Secret " + f.SecretName())
			}
		}
		if mounted == 0 {
			return broken(fmt.Sprintf("the pod has a volume of the Secret %s, and no container mounts it", f.SecretName()), "add the mount: see docs/admission.md, or annotate the ServiceAccount instead")
		}
		return broken(fmt.Sprintf("the Secret %s is mounted, and no variable points SDKs at it", f.SecretName()),
			"set AWS_SHARED_CREDENTIALS_FILE to the file credentials or credentials.process below the mount, or annotate the ServiceAccount instead")
	},
}

// volumesOf returns the volumes of a pod that have a Secret in them.
func volumesOf(pod *corev1.Pod, secret string) []string {
	var names []string
	for _, v := range pod.Spec.Volumes {
		switch {
		case v.Secret != nil && v.Secret.SecretName == secret,
			v.Projected != nil && slices.ContainsFunc(v.Projected.Sources, func(p corev1.VolumeProjection) bool { return p.Secret != nil && p.Secret.Name == secret }):
			names = append(names, v.Name)
		}
	}
	return names
}

func mountPaths(c *corev1.Container, volumes []string) (paths []string) {
	for _, m := range c.VolumeMounts {
		if slices.Contains(volumes, m.Name) {
			paths = append(paths, path.Clean("/"+m.MountPath))
		}
	}
	return paths
}

// pointsAt reports whether a variable of a container names a file at or below a path.
func (f *Facts) pointsAt(c *corev1.Container, at string) bool {
	set, _ := f.environment(c)
	return slices.ContainsFunc(pointers, func(name string) bool {
		file := path.Clean("/" + set[name].value)
		return file == at || strings.HasPrefix(file, at+"/")
	})
}

var otherToolRules = []rule{
	func(f *Facts) *finding.Finding {
		role, has := f.Pod.Value.Annotations["iam.amazonaws.com/role"]
		if !has {
			return nil
		}
		return warning(fmt.Sprintf("the pod has the annotation iam.amazonaws.com/role: %s of kube2iam and kiam, which this controller does not read on pods", role),
			"remove it once neither runs: see docs/migration.md")
	},
	func(*Facts) *finding.Finding { return nil },
}
