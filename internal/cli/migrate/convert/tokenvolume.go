package convert

import (
	"path"
	"slices"

	"kube-aws-iam-controller/internal/cli/migrate/manifest"
)

// dropToken removes from a volume the token that SDKs find by a variable, and reports
// whether nothing else is in it. The volume stays as it is where somebody else may read
// the token.
func (c *converter) dropToken(w *workload, volume *node) (empty bool) {
	isToken := func(source *node) bool { return w.isToken(volume, source) }
	tokens, others := 0, 0
	for source := range manifest.Items(volume, "projected", "sources") {
		if isToken(source) {
			tokens++
		} else {
			others++
		}
	}
	name := manifest.String(volume, "name")
	if tokens == 0 || name == "" {
		return false
	}
	if reader := w.tokenReader(name, others == 0); reader != nil {
		c.open(w.object, reader, "the token in the volume %s stays, because the container may read it other than by %s: once it does not, remove it by hand", name, webIdentityToken)
		return false
	}
	if others == 0 {
		return true
	}
	if w.doc.Shared(manifest.At(volume, "projected", "sources")) {
		c.open(w.object, volume, "the token in the volume %s stays, because its sources are shared by anchors, aliases or merge keys: remove it there by hand", name)
		return false
	}
	w.doc.RemoveItems(manifest.At(volume, "projected"), "sources", isToken)
	return false
}

// isToken reports whether a source of a volume is the token to which a variable points.
func (w *workload) isToken(volume, source *node) bool {
	at := manifest.String(source, "serviceAccountToken", "path")
	for _, container := range w.containers() {
		file := manifest.String(variable(container, webIdentityToken), "value")
		mount := mountAt(container, file)
		if at != "" && mount != nil && manifest.String(mount, "name") == manifest.String(volume, "name") && inVolume(mount, file) == path.Join("/", at) {
			return true
		}
	}
	return false
}

// tokenReader returns a mount of a token's volume whose container may read the token in
// another way, nil if there is none: the container has no variable that points there,
// or is told the path of the token, or one in the mount if the whole volume is to go.
func (w *workload) tokenReader(volume string, whole bool) *node {
	isVariable := func(v *node) bool { return manifest.String(v, "name") == webIdentityToken }
	for _, container := range w.containers() {
		file := manifest.String(variable(container, webIdentityToken), "value")
		for _, mount := range mountsOf(container, volume) {
			reads := func(told string) bool {
				return mountAt(container, told) == mount && (whole || told == path.Clean(file))
			}
			if mountAt(container, file) != mount || slices.ContainsFunc(toldPaths(container, mountPath(mount), isVariable), reads) {
				return mount
			}
		}
	}
	return nil
}
