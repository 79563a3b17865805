package cluster

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"

	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
)

// Access is an administrator's way into a cluster, whoever runs it.
type Access struct {
	config     *rest.Config
	client     kubernetes.Interface
	kubeconfig string
	kubectl    string
	dir        string
	remove     func() error

	mu         sync.Mutex
	namespaces []string // that were created
}

// FromKubeconfig gives access to a cluster that already runs, with kubectl from PATH if there is one, else built;
// progress (nil for none) tells of that. Close it after use.
func FromKubeconfig(ctx context.Context, kubeconfig string, progress io.Writer) (*Access, error) {
	kubectlPath, err := findKubectl(ctx, progress)
	if err != nil {
		return nil, err
	}
	dir, remove, err := Options{}.makeDir()
	if err != nil {
		return nil, err
	}
	access, err := newAccess(kubeconfig, kubectlPath, dir)
	if err != nil {
		return nil, errors.Join(err, remove())
	}
	access.remove = remove
	return access, nil
}

// newAccess keeps what it makes in dir, which remains the caller's to remove.
func newAccess(kubeconfig, kubectlPath, dir string) (*Access, error) {
	config, err := clientcmd.BuildConfigFromFlags("", kubeconfig)
	if err != nil {
		return nil, fmt.Errorf("read kubeconfig: %w", err)
	}
	config.QPS = -1 // client-go's 5 requests a second would measure the test, not the controller
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		return nil, fmt.Errorf("client for %s: %w", config.Host, err)
	}
	if kubeconfig, err = filepath.Abs(kubeconfig); err != nil {
		return nil, fmt.Errorf("path of kubeconfig: %w", err)
	}
	return &Access{
		config:     config,
		client:     client,
		kubeconfig: kubeconfig,
		kubectl:    kubectlPath,
		dir:        dir,
		remove:     func() error { return nil },
	}, nil
}

// AdminConfig returns a configuration of one's own for a client that may do everything, without a client-side limit
// on requests.
func (a *Access) AdminConfig() *rest.Config { return rest.CopyConfig(a.config) }

// AdminKubeconfig returns the path of the administrator's kubeconfig.
func (a *Access) AdminKubeconfig() string { return a.kubeconfig }

// KubectlPath returns the path of the kubectl that Kubectl runs.
func (a *Access) KubectlPath() string { return a.kubectl }

// Client returns the administrator's client.
func (a *Access) Client() kubernetes.Interface { return a.client }

// UserConfig returns a configuration for a client that acts as a user, and as a member of the given groups as well as
// of system:authenticated.
func (a *Access) UserConfig(name string, groups ...string) *rest.Config {
	config := a.AdminConfig()
	config.Impersonate = rest.ImpersonationConfig{UserName: name, Groups: groups}
	return config
}

// Kubectl runs kubectl as the administrator and returns its standard output. An error shows what kubectl complained
// about.
func (a *Access) Kubectl(ctx context.Context, args ...string) (string, error) {
	return a.KubectlInput(ctx, nil, args...)
}

// KubectlInput is Kubectl with standard input, for "apply -f -".
func (a *Access) KubectlInput(ctx context.Context, input io.Reader, args ...string) (string, error) {
	var stdout, stderr bytes.Buffer
	cmd := exec.CommandContext(ctx, a.kubectl, args...) //nolint:gosec // kubectl's arguments are the caller's to choose
	cmd.Stdin, cmd.Stdout, cmd.Stderr = input, &stdout, &stderr
	// A cache of its own: by default kubectl keeps what it knows about a server by address, and ours come and go.
	cmd.Env = append(os.Environ(), "KUBECONFIG="+a.kubeconfig, "KUBECACHEDIR="+filepath.Join(a.dir, "kubectl-cache"))
	if err := cmd.Run(); err != nil {
		return stdout.String(), fmt.Errorf("kubectl %s: %w: %s",
			strings.Join(args, " "), err, strings.TrimSpace(stderr.String()))
	}
	return stdout.String(), nil
}

// Close removes the files this access has written, and leaves the cluster alone.
func (a *Access) Close() error { return a.remove() }

// file returns a path in a subdirectory for the files of this access.
func (a *Access) file(subdirectory, name string) (string, error) {
	dir := filepath.Join(a.dir, subdirectory)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return "", fmt.Errorf("directory for %s: %w", subdirectory, err)
	}
	return filepath.Join(dir, name), nil
}
