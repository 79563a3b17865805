package node

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"
	"slices"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"kube-aws-iam-controller/test/cluster"
	"kube-aws-iam-controller/test/image"
	"kube-aws-iam-controller/test/kit"
)

// readyLimit bounds the wait for the node on a busy machine.
const readyLimit = 2 * time.Minute

// Node is a running node of a control plane.
type Node struct {
	*cluster.Cluster

	dir, snapshotter string
	bins             cluster.NodeBins
	processes        []*cluster.Process
}

// Start makes a control plane with one node, and returns when pods run on it. What is missing is installed and built
// first, and progress tells of it. Stop ends it.
func Start(ctx context.Context, progress io.Writer) (*Node, error) {
	if err := Install(ctx, progress); err != nil {
		return nil, err
	}
	bins, err := cluster.NodeBinaries(ctx, progress)
	if err != nil {
		return nil, err
	}
	if err = Bridge(ctx); err != nil {
		return nil, err
	}
	n := &Node{bins: bins}
	if n.Cluster, err = cluster.Start(ctx, cluster.Options{
		Progress: progress, Address: Address,
		// Nobody knows the node's name.
		APIServerFlags: []string{"--kubelet-preferred-address-types=InternalIP"},
	}); err != nil {
		return nil, errors.Join(err, CloseBridge(ctx))
	}
	if n.dir, err = os.MkdirTemp("", "node-"); err == nil {
		err = n.start(ctx)
	}
	if err != nil {
		return nil, errors.Join(err, n.Stop()) //nolint:contextcheck // also when ctx is done
	}
	return n, nil
}

func (n *Node) start(ctx context.Context) (err error) {
	if n.snapshotter, err = snapshotter(ctx, n.dir); err != nil {
		return err
	}
	if err = n.writeFiles(); err != nil {
		return err
	}
	if err = n.run("containerd", "/usr/bin/containerd", "--config="+n.path("containerd.toml")); err != nil {
		return err
	}
	if err = n.await(ctx, func(ctx context.Context) error { return n.ctr(ctx, "version") }); err != nil {
		return err
	}
	pause, err := image.Make(ctx, image.Options{
		Programs: []image.Program{{Path: "/pause", Dir: "test", Package: "./cmd/pause"}}, Platform: Platform(),
	})
	if err != nil {
		return err
	}
	if err = n.Import(ctx, PauseImage, pause); err != nil {
		return err
	}
	ports, err := cluster.FreePorts(ctx, 3)
	if err != nil {
		return err
	}
	return errors.Join(
		n.run("kubelet", n.bins.Kubelet, "--config="+n.path("kubelet.yaml"), "--kubeconfig="+n.NodeKubeconfig(),
			"--hostname-override="+cluster.NodeName, "--node-ip="+Address, "--root-dir="+n.path("kubelet"), "--cert-dir="+n.path("pki")),
		n.run("kube-scheduler", n.bins.KubeScheduler, "--kubeconfig="+n.AdminKubeconfig(), "--leader-elect=false",
			"--bind-address=127.0.0.1", fmt.Sprintf("--secure-port=%d", ports[0])),
		n.run("kube-proxy", n.bins.KubeProxy, "--kubeconfig="+n.AdminKubeconfig(), "--proxy-mode=nftables",
			"--conntrack-max-per-core=0", "--hostname-override="+cluster.NodeName, "--cluster-cidr="+subnet,
			fmt.Sprintf("--metrics-bind-address=127.0.0.1:%d", ports[1]), fmt.Sprintf("--healthz-bind-address=127.0.0.1:%d", ports[2])),
		n.await(ctx, n.ready),
	)
}

// Platform is what containers run as.
func Platform() string { return "linux/" + runtime.GOARCH }

// Import makes an image known to the node under a name.
func (n *Node) Import(ctx context.Context, tag string, made v1.Image) error {
	path := n.path("image.tar")
	if err := image.Save(path, tag, made); err != nil {
		return err
	}
	return n.ctr(ctx, "--namespace=k8s.io", "image", "import", "--snapshotter="+n.snapshotter, path)
}

// Stop ends what was started and takes away what was made.
func (n *Node) Stop() error {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	for _, process := range slices.Backward(n.processes) {
		process.Kill()
	}
	killShims(n.socket())
	return errors.Join(
		command(ctx, n.bins.KubeProxy, "--cleanup", "--proxy-mode=nftables"),
		unmount(n.dir),
		os.RemoveAll(n.dir),
		n.Cluster.Stop(),
		CloseBridge(ctx),
	)
}

// Logs returns the path of the log of one of the node's programs.
func (n *Node) Logs(name string) string { return n.path(name + ".log") }

func (n *Node) run(name, path string, args ...string) error {
	process, err := cluster.StartProcess(cluster.Command{Name: name, Path: path, Args: args, Log: n.Logs(name)})
	if err == nil {
		n.processes = append(n.processes, process)
	}
	return err
}

func (n *Node) await(ctx context.Context, done func(context.Context) error) error {
	err := kit.Eventually(ctx, readyLimit, done)
	if err == nil {
		return nil
	}
	for _, name := range []string{"containerd", "kubelet", "kube-proxy"} {
		log, _ := os.ReadFile(n.Logs(name))
		err = fmt.Errorf("%w\nthe log of %s ends:\n%s", err, name, log[max(0, len(log)-2000):])
	}
	return err
}

// ready returns nil when pods are sent to the node.
func (n *Node) ready(ctx context.Context) error {
	found, err := n.Client().CoreV1().Nodes().Get(ctx, cluster.NodeName, metav1.GetOptions{})
	if err != nil {
		return err
	}
	for _, condition := range found.Status.Conditions {
		if condition.Type == corev1.NodeReady && condition.Status != corev1.ConditionTrue {
			return errors.New(condition.Message)
		}
	}
	if len(found.Spec.Taints) > 0 || len(found.Status.Conditions) == 0 {
		return errors.New("the node is not ready yet")
	}
	return nil
}

func (n *Node) ctr(ctx context.Context, args ...string) error {
	return command(ctx, "ctr", append([]string{"--address=" + n.socket()}, args...)...)
}
