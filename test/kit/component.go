package kit

import (
	"context"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"sigs.k8s.io/yaml"

	"kube-aws-iam-controller/test/cluster"
)

// A Component is one of manifests/components, installed beside a controller that runs outside the cluster.
type Component struct {
	Name string
	// Patches are as in a kustomization.
	Patches []string
	// Settings are the installation's, for the component admission-settings, without what all begin with. Those that are not
	// there are as shipped.
	Settings map[string]string
	// Root is the tree that it is from; "" for this repository.
	Root string
}

// PolicyComponent is admission by policy, with the installer's settings.
func PolicyComponent(image string, settings map[string]string) Component {
	all := map[string]string{"CREDENTIALS_SERVER_IMAGE": image}
	maps.Copy(all, settings)
	return Component{Name: "admission-policy", Settings: all}
}

// WebhookComponent is admission by webhook, at a port of this machine: the API server of a test reaches no Service.
func WebhookComponent(port int) Component {
	return Component{Name: "webhook", Patches: []string{fmt.Sprintf(`  - target: {kind: MutatingWebhookConfiguration}
    patch: |
      - {op: replace, path: /webhooks/0/clientConfig, value: {url: "https://localhost:%d/mutate-pods"}}
`, port)}}
}

// GuardComponent is what keeps tenants from what the controller makes.
func GuardComponent() Component { return Component{Name: "guard"} }

// Apply installs a component.
func (c Component) Apply(ctx context.Context, access *cluster.Access) error {
	return c.kubectl(ctx, access, "apply")
}

// Delete takes it away.
func (c Component) Delete(ctx context.Context, access *cluster.Access) error {
	return c.kubectl(ctx, access, "delete")
}

func (c Component) root() (string, error) {
	if c.Root != "" {
		return c.Root, nil
	}
	return cluster.Root()
}

func (c Component) kubectl(ctx context.Context, access *cluster.Access, verb string) error {
	root, err := c.root()
	if err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "kustomization-")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	path, err := filepath.Rel(dir, filepath.Join(root, "manifests", "components", c.Name))
	if err != nil {
		return err
	}
	text := fmt.Sprintf("components: [%q]\n", path)
	if c.Settings != nil {
		if text, err = c.withSettings(root, path); err != nil {
			return err
		}
	}
	if len(c.Patches) > 0 {
		text += "patches:\n" + strings.Join(c.Patches, "")
	}
	if err = os.WriteFile(filepath.Join(dir, "kustomization.yaml"), []byte(text), 0o600); err == nil {
		_, err = access.Kubectl(ctx, verb, "-k", dir)
	}
	return err
}

// withSettings returns a kustomization of a component and of the settings of pods. Their ConfigMap is not installed.
func (c Component) withSettings(root, path string) (string, error) {
	settings, err := shippedSettings(root)
	if err != nil {
		return "", err
	}
	maps.Copy(settings, c.Settings)
	var literals strings.Builder
	for _, name := range slices.Sorted(maps.Keys(settings)) {
		fmt.Fprintf(&literals, "  - %q\n", "KUBE_AWS_IAM_"+name+"="+settings[name])
	}
	return fmt.Sprintf(`components: [%q, %q]
configMapGenerator:
- name: kube-aws-iam-controller-settings
  options: {annotations: {config.kubernetes.io/local-config: "true"}}
  literals:
%s`, path, filepath.Join(filepath.Dir(path), "admission-settings"), literals.String()), nil
}

// shippedSettings are those of the ConfigMap in manifests/controller.
func shippedSettings(root string) (map[string]string, error) {
	text, err := os.ReadFile(filepath.Join(root, "manifests", "controller", "kustomization.yaml")) //nolint:gosec // a file of the repository
	if err != nil {
		return nil, err
	}
	var kustomization struct {
		ConfigMapGenerator []struct {
			Literals []string `json:"literals"`
		} `json:"configMapGenerator"`
	}
	if err = yaml.Unmarshal(text, &kustomization); err != nil {
		return nil, err
	}
	settings := map[string]string{}
	for _, generator := range kustomization.ConfigMapGenerator {
		for _, literal := range generator.Literals {
			name, value, _ := strings.Cut(literal, "=")
			settings[strings.TrimPrefix(name, "KUBE_AWS_IAM_")] = value
		}
	}
	return settings, nil
}
