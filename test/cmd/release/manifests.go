package main

import (
	"fmt"
	"os"
	"path/filepath"

	"sigs.k8s.io/kustomize/api/krusty"
	"sigs.k8s.io/kustomize/kyaml/filesys"

	"kube-aws-iam-controller/test/cluster"
)

// heading is what whoever applies the manifests has to know.
const heading = `# kube-aws-iam-controller %s: the controller, admission by policy (Kubernetes 1.36 and later) and the guard, as
# manifests/base with the components admission-policy, admission-settings and guard.
#
# Push the image from %s to a registry, and put its name in the place of %s, which stands in the
# Deployment, in the ConfigMap kube-aws-iam-controller-settings and in the MutatingAdmissionPolicy. Add
# KUBE_AWS_IAM_CLUSTER_NAME to the ConfigMap. For anything else, such as the webhook for older clusters, use a
# kustomization as in examples/install.
`

// kustomization has the paths of the manifests, and the image three times.
const kustomization = `resources: [%[1]s/base]
components: [%[1]s/components/admission-policy, %[1]s/components/admission-settings, %[1]s/components/guard]
images: [{name: kube-aws-iam-controller, newName: %[2]q, newTag: %[3]q}]
configMapGenerator:
- name: kube-aws-iam-controller-settings
  namespace: kube-system
  behavior: merge
  literals: [%[4]q]
`

// writeManifests renders what is shipped into one file.
func (r *release) writeManifests(path string) error {
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
	text := fmt.Sprintf(kustomization, manifests, r.image, r.version, "KUBE_AWS_IAM_CREDENTIALS_SERVER_IMAGE="+r.tagged())
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
	head := fmt.Sprintf(heading, r.version, imageFile, r.tagged())
	return os.WriteFile(path, append([]byte(head), objects...), 0o644) //nolint:gosec // for everybody to read
}
