package kit

import (
	"context"
	"path/filepath"
	"sync"

	"kube-aws-iam-controller/test/cluster"
)

// installations are the kubeconfigs of the control planes on which Install has applied what is shipped, by the address of
// the API server.
var installations = struct {
	sync.Mutex

	kubeconfigs map[string]string
}{kubeconfigs: map[string]string{}}

// Install applies what is shipped, once to each control plane, and returns a kubeconfig with which a controller is its own
// ServiceAccount.
func Install(ctx context.Context, access *cluster.Access) (string, error) {
	root, err := cluster.Root()
	if err != nil {
		return "", err
	}
	installations.Lock() // two at once would create it twice
	defer installations.Unlock()
	address := access.AdminConfig().Host
	if kubeconfig, done := installations.kubeconfigs[address]; done {
		return kubeconfig, nil
	}
	kubeconfig, err := InstallFrom(ctx, access, root)
	if err != nil {
		return "", err
	}
	installations.kubeconfigs[address] = kubeconfig
	return kubeconfig, nil
}

// InstallFrom is Install with the manifests of another tree, which it applies each time.
func InstallFrom(ctx context.Context, access *cluster.Access, root string) (string, error) {
	if _, err := access.Kubectl(ctx, "apply", "-k", filepath.Join(root, "manifests", "prerequisites")); err != nil {
		return "", err
	}
	if _, err := access.Kubectl(ctx, "wait", "--for=condition=Established", "--timeout=30s",
		"crd/awsiamroles.zalando.org"); err != nil {
		return "", err
	}
	return access.ServiceAccountKubeconfig(ctx, Namespace, Account)
}
