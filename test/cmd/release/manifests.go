package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"sigs.k8s.io/kustomize/api/krusty"
	"sigs.k8s.io/kustomize/kyaml/filesys"

	"kube-aws-iam-controller/test/cluster"
)

// installations are the files of manifests: each is manifests/base with the guard and one way of admission.
var installations = map[string]installation{
	"install.yaml": {
		what:       "admission by policy (Kubernetes 1.36 and later)",
		components: []string{"admission-policy", "admission-settings", "guard"},
		in:         "the Deployment, in the ConfigMap kube-aws-iam-controller-settings and in the MutatingAdmissionPolicy",
	},
	"install-webhook.yaml": {
		what:       "admission by webhook (Kubernetes 1.30 and later)",
		components: []string{"webhook", "guard"},
		in:         "the Deployment and in the ConfigMap kube-aws-iam-controller-settings",
	},
}

// An installation says what is in a file, and where in it the image stands.
type installation struct {
	what       string
	components []string
	in         string
}

// heading is what whoever applies the manifests has to know.
const heading = `# kube-aws-iam-controller %[1]s: the controller, %[2]s and the guard, as
# manifests/base with the components %[3]s.
#
# Push the image from %[4]s to a registry, and put its name in the place of
# %[5]s, which stands in
# %[6]s.
# Add KUBE_AWS_IAM_CLUSTER_NAME to the ConfigMap. For anything else use a kustomization as in examples/install.
`

// kustomization has the paths of the manifests, and the image as often as it is needed.
const kustomization = `resources: [%[1]s/base]
components: [%[2]s]
images: [{name: kube-aws-iam-controller, newName: %[3]q, newTag: %[4]q}]
configMapGenerator:
- name: kube-aws-iam-controller-settings
  namespace: kube-system
  behavior: merge
  literals: [%[5]q]
`

// writeManifests writes each installation.
func (r *release) writeManifests(dir string) error {
	for name, installed := range installations {
		if err := r.writeInstallation(filepath.Join(dir, name), installed); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
	}
	return nil
}

// writeInstallation renders manifests into one file.
func (r *release) writeInstallation(path string, installed installation) error {
	root, err := cluster.Root()
	if err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "kustomization-")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	manifests, err := filepath.Rel(dir, filepath.Join(root, "manifests"))
	if err != nil {
		return err
	}
	components := make([]string, len(installed.components))
	for i, name := range installed.components {
		components[i] = manifests + "/components/" + name
	}
	text := fmt.Sprintf(kustomization, manifests, strings.Join(components, ", "), r.image, r.Version,
		"KUBE_AWS_IAM_CREDENTIALS_SERVER_IMAGE="+r.tagged())
	if err = os.WriteFile(filepath.Join(dir, "kustomization.yaml"), []byte(text), 0o600); err != nil {
		return err
	}
	rendered, err := krusty.MakeKustomizer(krusty.MakeDefaultOptions()).Run(filesys.MakeFsOnDisk(), dir)
	if err != nil {
		return fmt.Errorf("render the manifests: %w", err)
	}
	objects, err := rendered.AsYaml()
	if err != nil {
		return err
	}
	head := fmt.Sprintf(heading, r.Version, installed.what, strings.Join(installed.components, ", "), imageFile, r.tagged(), installed.in)
	return os.WriteFile(path, append([]byte(head), objects...), 0o644) //nolint:gosec // for everybody to read
}
