package cluster

import (
	"context"
	"io"
	"os"
	"os/exec"
	"path/filepath"
)

// AssetsVariable names the environment variable that points at ready-made binaries, as it does for envtest.
const AssetsVariable = "KUBEBUILDER_ASSETS"

// Bins holds the paths of the programs of a control plane.
type Bins struct {
	Etcd                  string
	KubeAPIServer         string
	KubeControllerManager string
	Kubectl               string
}

// Binaries returns the programs of a control plane: those in the directory that KUBEBUILDER_ASSETS names, and what is
// missing there as built from the versions in go.mod. The first build takes about five minutes; progress (nil for
// none) tells of it, and what is built is kept. Processes may call it at the same time. Ready-made binaries have to be
// of the Kubernetes version in go.mod, since a controller manager must not be newer than its API server. Another version
// is built, and kept beside it, where CONTROL_PLANE_KUBERNETES names it; then no ready-made ones are taken.
func Binaries(ctx context.Context, progress io.Writer) (Bins, error) {
	paths, err := find(ctx, progress, []string{etcd, kubeAPIServer, kubeControllerManager, kubectl})
	if err != nil {
		return Bins{}, err
	}
	return Bins{
		Etcd:                  paths[etcd],
		KubeAPIServer:         paths[kubeAPIServer],
		KubeControllerManager: paths[kubeControllerManager],
		Kubectl:               paths[kubectl],
	}, nil
}

// NodeBins holds the paths of the programs that a node adds.
type NodeBins struct {
	Kubelet       string
	KubeProxy     string
	KubeScheduler string
}

// NodeBinaries is Binaries for those.
func NodeBinaries(ctx context.Context, progress io.Writer) (NodeBins, error) {
	paths, err := find(ctx, progress, []string{kubelet, kubeProxy, kubeScheduler})
	return NodeBins{Kubelet: paths[kubelet], KubeProxy: paths[kubeProxy], KubeScheduler: paths[kubeScheduler]}, err
}

// findKubectl prefers the kubectl on PATH: who brings a cluster of their own usually brings that, too.
func findKubectl(ctx context.Context, progress io.Writer) (string, error) {
	if path, err := exec.LookPath(kubectl); err == nil {
		return path, nil
	}
	paths, err := find(ctx, progress, []string{kubectl})
	return paths[kubectl], err
}

// find returns the path of each named tool, and builds those that are nowhere.
func find(ctx context.Context, progress io.Writer, names []string) (map[string]string, error) {
	paths := map[string]string{}
	missing := pick(paths, assets(), names)
	if len(missing) == 0 {
		return paths, nil
	}
	b, err := newBuilder(progress)
	if err != nil {
		return nil, err
	}
	if missing = pick(paths, b.dir, missing); len(missing) == 0 {
		return paths, nil
	}
	if err := b.build(ctx, missing); err != nil {
		return nil, err
	}
	pick(paths, b.dir, missing)
	return paths, nil
}

// assets returns the directory of ready-made binaries, none where a version is chosen that they need not be of.
func assets() string {
	if os.Getenv(VersionVariable) != "" {
		return ""
	}
	return os.Getenv(AssetsVariable)
}

// pick adds the tools that lie in a directory to paths, and returns the names of the others.
func pick(paths map[string]string, dir string, names []string) (missing []string) {
	for _, name := range names {
		path := filepath.Join(dir, name)
		info, err := os.Stat(path)
		if dir == "" || err != nil || info.IsDir() {
			missing = append(missing, name)
			continue
		}
		paths[name] = path
	}
	return missing
}
