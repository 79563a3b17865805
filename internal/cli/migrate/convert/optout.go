package convert

import (
	"slices"
	"strings"

	"kube-aws-iam-controller/internal/api"
	"kube-aws-iam-controller/internal/cli/migrate/manifest"
)

// isLeftOut reports, and says, that admission gives nothing to a container that uses what
// is wired by hand, so that it would have no credentials once that is removed.
func (c *converter) isLeftOut(w *workload, uses func(container *node) bool) bool {
	for _, container := range w.containers() {
		if at, name := w.optOut(container); at != nil && uses(container) {
			c.open(w.object, at, "by %s admission gives the container %s nothing, which would have no credentials without those that are mounted by hand: remove it, and convert again",
				name, manifest.String(container, "name"))
			return true
		}
	}
	return false
}

// optOut returns where pods say that admission gives nothing to a container, and by which
// label or annotation, nil if they do not.
func (w *workload) optOut(container *node) (*node, string) {
	label := manifest.At(w.template, "metadata", "labels", api.InjectLabel)
	if manifest.String(label) == api.InjectDisabled {
		return label, api.InjectLabel
	}
	skipped := manifest.At(w.template, "metadata", "annotations", api.SkipContainersAnnotation)
	isContainer := func(name string) bool { return strings.TrimSpace(name) == manifest.String(container, "name") }
	if skipped != nil && slices.ContainsFunc(strings.Split(manifest.String(skipped), ","), isContainer) {
		return skipped, api.SkipContainersAnnotation
	}
	return nil, ""
}
