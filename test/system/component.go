package system

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"kube-aws-iam-controller/test/cluster"
)

// A Component is one of manifests/components, installed beside a controller that runs outside the cluster.
type Component struct {
	Name string
	// Patches are as in a kustomization.
	Patches []string
}

// PolicyComponent is admission by policy, with the installer's settings.
func PolicyComponent(image, region string) Component {
	return Component{Name: "admission-policy", Patches: []string{fmt.Sprintf(`  - target: {kind: MutatingAdmissionPolicy}
    patch: |
      - {op: replace, path: /spec/variables/0/expression, value: "'%s'"}
      - {op: replace, path: /spec/variables/1/expression, value: "'%s'"}
`, image, region)}}
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

func (c Component) kubectl(ctx context.Context, access *cluster.Access, verb string) error {
	root, err := cluster.Root()
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
	if len(c.Patches) > 0 {
		text += "patches:\n" + strings.Join(c.Patches, "")
	}
	if err = os.WriteFile(filepath.Join(dir, "kustomization.yaml"), []byte(text), 0o600); err == nil {
		_, err = access.Kubectl(ctx, verb, "-k", dir)
	}
	return err
}
