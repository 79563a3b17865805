package cluster

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"path/filepath"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

func (c *Cluster) defineComponents(options Options) error {
	c.Etcd = c.component(etcd, c.bins.Etcd, c.etcdFlags(), c.etcdReady)

	flags := c.apiServerFlags()
	if options.Audit {
		audit, err := c.auditFlags()
		if err != nil {
			return err
		}
		flags = append(flags, audit...)
	}
	c.APIServer = c.component(kubeAPIServer, c.bins.KubeAPIServer, append(flags, options.APIServerFlags...), c.apiServerReady)

	if !options.WithoutControllerManager {
		c.ControllerManager = c.component(kubeControllerManager, c.bins.KubeControllerManager,
			append(c.controllerManagerFlags(), options.ControllerManagerFlags...), c.controllerManagerReady)
		c.ControllerManager.before = c.removeRootCertificate
	}
	return nil
}

func (c *Cluster) component(name, path string, flags []string, ready func(context.Context) error) *Component {
	log := filepath.Join(c.LogsDir(), name+".log")
	return &Component{command: Command{Name: name, Path: path, Args: flags, Log: log}, ready: ready}
}

func (c *Cluster) etcdURL() string { return "http://" + loopback(c.ports.etcd) }

// etcdFlags trade durability for speed: the data needs to survive the process, not the machine.
func (c *Cluster) etcdFlags() []string {
	peer := "http://" + loopback(c.ports.etcdPeer)
	return []string{
		"--data-dir=" + filepath.Join(c.dir, "etcd"),
		"--listen-client-urls=" + c.etcdURL(),
		"--advertise-client-urls=" + c.etcdURL(),
		"--listen-peer-urls=" + peer,
		"--initial-advertise-peer-urls=" + peer,
		"--initial-cluster=default=" + peer,
		"--unsafe-no-fsync",
	}
}

func (c *Cluster) apiServerFlags() []string {
	return []string{
		"--etcd-servers=" + c.etcdURL(),
		"--bind-address=" + c.address,
		fmt.Sprintf("--secure-port=%d", c.ports.apiServer),
		"--tls-cert-file=" + c.path(servingCertificate),
		"--tls-private-key-file=" + c.path(servingKey),
		"--service-account-issuer=https://kubernetes.default.svc",
		"--service-account-key-file=" + c.path(serviceAccountKey),
		"--service-account-signing-key-file=" + c.path(serviceAccountKey),
		"--token-auth-file=" + c.path(tokens),
		"--authorization-mode=Node,RBAC",
		"--service-cluster-ip-range=10.0.0.0/24",
		"--allow-privileged=true",
		// Webhooks behind a Service are called at their endpoints, since there is no kube-proxy.
		"--enable-aggregator-routing=true",
	}
}

func (c *Cluster) controllerManagerFlags() []string {
	return []string{
		"--kubeconfig=" + c.kubeconfig,
		"--service-account-private-key-file=" + c.path(serviceAccountKey),
		"--root-ca-file=" + c.path(rootCertificate),
		// Without them its own RBAC is too small for what its controllers do.
		"--use-service-account-credentials=true",
		"--leader-elect=false",
		"--secure-port=0",
		// The default is a system directory, which it would create.
		"--flex-volume-plugin-dir=" + c.path("flexvolume"),
		// The default of 20 a second would measure the controller manager where a test deletes many objects.
		"--kube-api-qps=500",
		"--kube-api-burst=1000",
	}
}

// readyTimeout keeps a component that hangs from being waited for without an end.
const readyTimeout = 5 * time.Second

func (c *Cluster) etcdReady(ctx context.Context) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, c.etcdURL()+"/health", http.NoBody)
	if err != nil {
		return err
	}
	response, err := (&http.Client{Timeout: readyTimeout}).Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		body, err := io.ReadAll(response.Body)
		return fmt.Errorf("%s: %s (%w)", response.Status, body, err)
	}
	return nil
}

func (c *Cluster) apiServerReady(ctx context.Context) error {
	return c.client.CoreV1().RESTClient().Get().AbsPath("/readyz").Timeout(readyTimeout).Do(ctx).Error()
}

// removeRootCertificate takes away what controllerManagerReady waits for.
func (c *Cluster) removeRootCertificate(ctx context.Context) error {
	err := c.client.CoreV1().ConfigMaps(metav1.NamespaceDefault).Delete(ctx, rootConfigMap, metav1.DeleteOptions{})
	if apierrors.IsNotFound(err) {
		return nil
	}
	return err
}

// controllerManagerReady judges by what it does, since a process that answers may have no controller running yet.
func (c *Cluster) controllerManagerReady(ctx context.Context) error {
	return c.namespaceReady(ctx, metav1.NamespaceDefault)
}
