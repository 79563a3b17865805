package convert

import (
	"slices"
	"strings"

	"kube-aws-iam-controller/internal/api"
	"kube-aws-iam-controller/internal/cli/migrate/manifest"
)

// byHand are credentials that are wired by hand.
const byHand = "that are mounted by hand"

// isLeftOut reports, and says, that admission gives nothing to a container that uses the
// old credentials, so that it would have none once these are removed.
func (c *converter) isLeftOut(w *workload, uses func(container *node) bool, old string) bool {
	for _, container := range w.containers() {
		if at, name := w.optOut(container); at != nil && uses(container) {
			c.open(w.object, at, "by %s admission gives the container %s nothing, which would have no credentials without those %s: remove it, and convert again",
				name, manifest.String(container, "name"), old)
			return true
		}
	}
	return false
}

// isUnserved is isLeftOut for credentials that all containers have, except those that mount
// the Secret of a ServiceAccount by hand.
func (c *converter) isUnserved(w *workload, old System) bool {
	return c.isLeftOut(w, func(container *node) bool {
		for volume := range manifest.Items(w.pod, "volumes") {
			if secret := secretOf(volume); secret != nil && strings.HasSuffix(secret.name, api.SecretSuffix) && len(mountsOf(container, manifest.String(volume, "name"))) > 0 {
				return false
			}
		}
		return true
	}, "of "+string(old))
}

// areUnserved reports, and says, that pods of a ServiceAccount would have no credentials
// once it loses what it had before. Associations are deleted by the plan in any case.
func (c *converter) areUnserved(has *request, users []*workload) (unserved bool) {
	old := has.old()
	if old == nil || old.system != PodIdentity && (old.system != IRSA || !c.RemoveOld) {
		return false
	}
	for _, w := range users {
		wired := w.wants != nil && w.wants.system == IRSA // and it was said when that was read
		unserved = !wired && c.isUnserved(w, old.system) || unserved
	}
	return unserved
}

// disabled returns the label by which pods say that admission gives them nothing, nil if
// they do not.
func (w *workload) disabled() *node {
	label := manifest.At(w.template, "metadata", "labels", api.InjectLabel)
	if manifest.String(label) != api.InjectDisabled {
		return nil
	}
	return label
}

// optOut returns where pods say that admission gives nothing to a container, and by which
// label or annotation, nil if they do not.
func (w *workload) optOut(container *node) (*node, string) {
	if label := w.disabled(); label != nil {
		return label, api.InjectLabel
	}
	skipped := manifest.At(w.template, "metadata", "annotations", api.SkipContainersAnnotation)
	isContainer := func(name string) bool { return strings.TrimSpace(name) == manifest.String(container, "name") }
	if skipped != nil && slices.ContainsFunc(strings.Split(manifest.String(skipped), ","), isContainer) {
		return skipped, api.SkipContainersAnnotation
	}
	return nil, ""
}
