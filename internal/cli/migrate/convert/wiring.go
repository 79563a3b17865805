package convert

import (
	"iter"
	"path"
	"slices"
	"strings"

	"sigs.k8s.io/kustomize/kyaml/yaml"

	"kube-aws-iam-controller/internal/cli/migrate/manifest"
)

// A wiring is what somebody wrote into a pod by hand, so that its SDKs find
// credentials.
type wiring struct {
	variables []string
	// under limits the variables to values below one of these directories, unless it is
	// nil.
	under    []string
	isVolume func(volume *node) bool
}

// unwire removes a wiring from all containers.
func (c *converter) unwire(w *workload, old wiring) {
	var volumes []string
	for volume := range manifest.Items(w.pod, "volumes") {
		if old.isVolume(volume) {
			volumes = append(volumes, manifest.String(volume, "name"))
		}
	}
	for _, container := range w.containers() {
		w.doc.RemoveItems(container, "env", func(n *node) bool {
			return slices.Contains(old.variables, manifest.String(n, "name")) &&
				(old.under == nil || below(manifest.String(n, "value"), old.under))
		})
		w.doc.RemoveItems(container, "volumeMounts", func(n *node) bool {
			return slices.Contains(volumes, manifest.String(n, "name"))
		})
	}
	w.doc.RemoveItems(w.pod, "volumes", func(n *node) bool {
		return slices.Contains(volumes, manifest.String(n, "name"))
	})
}

// isShared reports whether a part of the wiring is written elsewhere and comes by an
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

// variable returns the first environment variable of a name, nil if there is none.
func variable(w *workload, name string) *node {
	for v := range variables(w, name) {
		return v
	}
	return nil
}

// variables yields the environment variables of a name of all containers.
func variables(w *workload, name string) iter.Seq[*node] {
	return func(yield func(*node) bool) {
		for _, container := range w.containers() {
			for v := range manifest.Items(container, "env") {
				if manifest.String(v, "name") == name && !yield(v) {
					return
				}
			}
		}
	}
}

// mounts returns where the containers mount a volume.
func mounts(w *workload, volume string) []string {
	paths := []string{}
	for _, container := range w.containers() {
		for mount := range manifest.Items(container, "volumeMounts") {
			if at := manifest.String(mount, "mountPath"); manifest.String(mount, "name") == volume && at != "" {
				paths = append(paths, path.Clean(at))
			}
		}
	}
	return paths
}

// mountedFor reports whether a file is in a volume, according to its mounts.
func mountedFor(w *workload, volume, file string) bool { return below(file, mounts(w, volume)) }

func below(file string, directories []string) bool {
	for _, directory := range directories {
		if strings.HasPrefix(path.Clean(file)+"/", strings.TrimSuffix(directory, "/")+"/") {
			return true
		}
	}
	return false
}
