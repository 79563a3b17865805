package convert

import (
	"path"
	"strings"

	"kube-aws-iam-controller/internal/cli/migrate/manifest"
)

// variable returns the environment variable of a name that counts in a container, which
// is the last one, nil if there is none.
func variable(container *node, name string) (last *node) {
	for v := range manifest.Items(container, "env") {
		if manifest.String(v, "name") == name {
			last = v
		}
	}
	return last
}

// mountsOf returns the mounts of a volume in a container.
func mountsOf(container *node, volume string) (all []*node) {
	for mount := range manifest.Items(container, "volumeMounts") {
		if volume != "" && manifest.String(mount, "name") == volume {
			all = append(all, mount)
		}
	}
	return all
}

// mountAt returns the mount in which a file of a container is, nil if it is in none. Of
// mounts inside each other that is the innermost.
func mountAt(container *node, file string) (innermost *node) {
	longest := 0
	for mount := range manifest.Items(container, "volumeMounts") {
		if at := mountPath(mount); at != "" && below(file, at) && len(at) > longest {
			innermost, longest = mount, len(at)
		}
	}
	return innermost
}

// volumeAt returns the name of the volume in which a file of a container is, "" if it is
// in none.
func volumeAt(container *node, file string) string {
	return manifest.String(mountAt(container, file), "name")
}

// mountPath returns where a mount is, "" if it does not say so.
func mountPath(mount *node) string {
	at := manifest.String(mount, "mountPath")
	if at == "" {
		return ""
	}
	return path.Clean(at)
}

// inVolume returns the path in its volume, from /, of a file in a mount.
func inVolume(mount *node, file string) string {
	return path.Join("/", manifest.String(mount, "subPath"), strings.TrimPrefix(path.Clean(file), mountPath(mount)))
}

func below(file, directory string) bool {
	return strings.HasPrefix(path.Clean(file)+"/", strings.TrimSuffix(directory, "/")+"/")
}
