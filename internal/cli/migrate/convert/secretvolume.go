package convert

import (
	"path"
	"slices"

	"kube-aws-iam-controller/internal/cli/migrate/manifest"
)

// fileVariables point SDKs to files with credentials:
// https://docs.aws.amazon.com/sdkref/latest/guide/file-location.html.
var fileVariables = []string{"AWS_SHARED_CREDENTIALS_FILE", "AWS_CREDENTIAL_PROFILES_FILE", "AWS_CONFIG_FILE"}

// injectedPath is where admission mounts the Secret of a ServiceAccount. It has the keys
// of an AWSIAMRole's.
const injectedPath = "/meta/aws-iam"

// A volumeSecret is the Secret that is all of a volume.
type volumeSecret struct {
	name string
	// at is where the name stands.
	at *node
	// renamed reports that files of the volume are not named as the keys of the Secret.
	renamed bool
}

// secretOf returns the Secret that a volume consists of, nil if it has others, or more.
func secretOf(volume *node) *volumeSecret {
	source, field := manifest.At(volume, "secret"), "secretName"
	if sources := slices.Collect(manifest.Items(volume, "projected", "sources")); len(sources) == 1 {
		source, field = manifest.At(sources[0], "secret"), "name"
	}
	secret := &volumeSecret{name: manifest.String(source, field), at: manifest.At(source, field)}
	if secret.name == "" {
		return nil
	}
	for item := range manifest.Items(source, "items") {
		secret.renamed = secret.renamed || path.Clean(manifest.String(item, "path")) != manifest.String(item, "key")
	}
	return secret
}

func isFileVariable(v *node) bool { return slices.Contains(fileVariables, manifest.String(v, "name")) }

// fileVariable returns a variable that points into a volume, nil if there is none.
func fileVariable(w *workload, volume string) *node {
	for _, container := range w.containers() {
		for v := range manifest.Items(container, "env") {
			if isFileVariable(v) && volume != "" && volumeAt(container, manifest.String(v, "value")) == volume {
				return v
			}
		}
	}
	return nil
}

// isReadByPath reports, and says, that a program may read a volume with a Secret by a
// path at which the controller has nothing.
func (c *converter) isReadByPath(w *workload, volume *node) bool {
	reader := w.pathReader(volume)
	if reader == nil {
		return false
	}
	c.open(w.object, reader, "a program may read the Secret %s here by its path, at which the controller has no such files: "+
		"where it is an SDK that reads it, say so by %s in the env of the container; otherwise mount the Secret at %s with its own names of files, and change the path",
		secretOf(volume).name, fileVariables[0], injectedPath)
	return true
}

// pathReader returns a mount of a volume with a Secret that is neither found by variables
// of SDKs alone nor replaced by the same files at the same path, nil if there is none.
func (w *workload) pathReader(volume *node) *node {
	for _, container := range w.containers() {
		for _, mount := range mountsOf(container, manifest.String(volume, "name")) {
			samePath := !secretOf(volume).renamed && mountPath(mount) == path.Join(injectedPath, manifest.String(mount, "subPath"))
			if !samePath && !byVariable(container, mount) {
				return mount
			}
		}
	}
	return nil
}

// byVariable reports whether a container finds a mount by a variable of an SDK, which
// admission sets anew, and is not told a path in it otherwise.
func byVariable(container, mount *node) bool {
	inMount := func(file string) bool { return mountAt(container, file) == mount }
	return slices.ContainsFunc(fileVariables, func(name string) bool { return inMount(manifest.String(variable(container, name), "value")) }) &&
		!slices.ContainsFunc(toldPaths(container, mountPath(mount), isFileVariable), inMount)
}
