package convert

import (
	"slices"

	"sigs.k8s.io/kustomize/kyaml/yaml"

	"kube-aws-iam-controller/internal/cli/migrate/manifest"
)

// A wiring is what somebody wrote into a pod by hand, so that its SDKs find
// credentials.
type wiring struct {
	isVariable func(container, v *node) bool
	// volumes are the names of those that go, with their mounts.
	volumes []string
}

// unwire removes a wiring from all containers.
func (c *converter) unwire(w *workload, old wiring) {
	goes := func(n *node) bool { return slices.Contains(old.volumes, manifest.String(n, "name")) }
	for _, container := range w.containers() {
		w.doc.RemoveItems(container, "env", func(v *node) bool { return old.isVariable(container, v) })
		w.doc.RemoveItems(container, "volumeMounts", goes)
	}
	w.doc.RemoveItems(w.pod, "volumes", goes)
}

// isShared reports whether a part of the wiring is defined elsewhere and included by an
// alias or merge key, or is used elsewhere.
func (w *workload) isShared() bool {
	for _, holder := range append(w.containers(), w.pod) {
		for _, field := range []string{"env", "volumeMounts", "volumes"} {
			_, own := manifest.Own(holder, field)
			if part := manifest.At(holder, field); part != nil && (own == nil || own.Kind == yaml.AliasNode || w.doc.Shared(part)) {
				return true
			}
		}
	}
	return false
}

// noteKeys notes credentials that pods have in their environment.
func (c *converter) noteKeys(w *workload) {
	for _, container := range w.containers() {
		if keys := variable(container, "AWS_ACCESS_KEY_ID"); keys != nil {
			c.note(w.object, keys, "its pods have AWS_ACCESS_KEY_ID in their environment, which SDKs prefer to everything else: remove it")
			return
		}
	}
}
