package sdks

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"kube-aws-iam-controller/internal/admission"
	"kube-aws-iam-controller/internal/identity"

	"kube-aws-iam-controller/test/cluster"
	"kube-aws-iam-controller/test/kit"
)

// session is that of the roles. It is short of what every SDK calls fresh, so that those that look ahead do so at once.
const session = 20 * time.Second

var deliveries = []identity.Delivery{identity.DeliverProcess, identity.DeliverEndpoint, identity.DeliverFile}

// A container is what a pod's container has, on this machine.
type container struct {
	volume *kit.Volume
	env    []string
}

// world is a controller, and a container for each delivery.
type world struct {
	*cluster.Cluster

	aws        *kit.AWS
	namespace  string
	containers map[identity.Delivery]*container
}

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{Cluster: shared.Get(t), containers: map[identity.Delivery]*container{}}
	kubeconfig, err := kit.Install(t.Context(), w.Access)
	require.NoError(t, err)
	w.aws, err = kit.StartAWS(t.Context(), "/")
	require.NoError(t, err)
	t.Cleanup(w.aws.Close)
	w.aws.SetSession(session)
	binary, err := kit.BuildController(t.Context())
	require.NoError(t, err)
	controller, err := kit.StartController(t.Context(), kit.Options{
		Binary: binary, Kubeconfig: kubeconfig, Log: filepath.Join(t.TempDir(), "log"),
		Env: append(w.aws.ControllerEnv(), "KUBE_AWS_IAM_CLUSTER_NAME=test"),
	})
	require.NoError(t, err)
	t.Cleanup(controller.Kill)
	w.namespace = w.NewNamespace(t)
	for _, delivery := range deliveries {
		w.containers[delivery] = w.contain(t, delivery)
	}
	w.serve(t, w.containers[identity.DeliverEndpoint].volume.Dir)
	return w
}

// contain makes a ServiceAccount, and what a container of its pods is given.
func (w *world) contain(t *testing.T, delivery identity.Delivery) *container {
	t.Helper()
	name := string(delivery)
	_, err := w.aws.Role(kit.AccountID, "", name, w.namespace+"/test")
	require.NoError(t, err)
	_, err = w.Client().CoreV1().ServiceAccounts(w.namespace).Create(t.Context(), &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{
		Name: name, Annotations: map[string]string{"iam.amazonaws.com/role": name, "iam.amazonaws.com/delivery": name},
	}}, metav1.CreateOptions{})
	require.NoError(t, err)
	c := &container{volume: &kit.Volume{Client: w.Client(), Namespace: w.namespace, Name: name + ".aws-iam", Dir: t.TempDir()}}
	require.NoError(t, kit.Eventually(t.Context(), time.Minute, c.volume.Sync))

	// PATH leads nowhere with the endpoint: neither a shell nor a program is to be needed.
	path := "/nonexistent"
	if delivery != identity.DeliverEndpoint {
		path = os.Getenv("PATH")
	}
	c.env = []string{"PATH=" + path, "HOME=/nonexistent", "NODE_NO_WARNINGS=1"}
	give := identity.Injection{Account: name, SecretName: name + ".aws-iam", Delivery: delivery, Region: "eu-central-1"}
	pod, err := admission.Read([]byte(`{"spec":{"containers":[{"name":"app"}]}}`))
	require.NoError(t, err)
	patch, err := admission.Inject(pod, give, admission.Settings{Sidecar: admission.Sidecar{Image: "x"}})
	require.NoError(t, err)
	for _, operation := range patch {
		if v, ok := operation.Value.(corev1.EnvVar); ok {
			c.env = append(c.env, v.Name+"="+c.value(t, v))
		}
	}
	ctx, stop := context.WithCancel(context.Background())
	var following sync.WaitGroup
	following.Go(func() { assert.NoError(t, c.volume.Follow(ctx)) })
	t.Cleanup(func() { stop(); following.Wait() })
	return c
}

// endpointAddress is where the sidecar listens.
const endpointAddress = "127.0.0.1:9911"

// podUID is that of the pod that has the endpoint.
const podUID = "0f2a9d3c-6c1e-4f6b-9a44-1f0f5a7e2f10"

// value is a variable's, as the kubelet resolves it.
func (c *container) value(t *testing.T, v corev1.EnvVar) string {
	t.Helper()
	if v.ValueFrom == nil {
		return strings.ReplaceAll(v.Value, kit.MountPath, c.volume.Dir)
	}
	require.Equal(t, "metadata.uid", v.ValueFrom.FieldRef.FieldPath)
	return podUID
}

// serve runs the sidecar.
func (w *world) serve(t *testing.T, dir string) {
	t.Helper()
	binary := buildServer(t)
	process, err := cluster.StartProcess(cluster.Command{
		Name: "credentials-server", Path: binary, Args: []string{"--directory=" + dir}, Log: binary + ".log", Env: []string{"POD_UID=" + podUID},
	})
	require.NoError(t, err)
	t.Cleanup(process.Kill)
	require.NoError(t, kit.Eventually(t.Context(), time.Minute, func(ctx context.Context) error {
		out, err := exec.CommandContext(ctx, binary, "probe").CombinedOutput()
		if err != nil {
			err = errors.New(string(out))
		}
		return err
	}))
}

// buildServer builds the sidecar and returns its path.
func buildServer(t *testing.T) string {
	t.Helper()
	binary := filepath.Join(t.TempDir(), "credentials-server")
	root, err := cluster.Root()
	require.NoError(t, err)
	build := exec.Command("go", "build", "-o", binary, "./cmd/credentials-server")
	build.Dir = root
	build.Env = append(os.Environ(), "CGO_ENABLED=0") // as in the image
	out, err := build.CombinedOutput()
	require.NoError(t, err, string(out))
	return binary
}

// rotate waits until every container has other credentials than now, and those of now have run out.
func (w *world) rotate(t *testing.T) {
	t.Helper()
	w.next(t, func(*container) error { return nil })
}

// replace deletes every Secret, and waits for the credentials in those that take their place.
func (w *world) replace(t *testing.T) {
	t.Helper()
	w.next(t, func(c *container) error {
		return w.Client().CoreV1().Secrets(w.namespace).Delete(t.Context(), c.volume.Name, metav1.DeleteOptions{})
	})
}

// next does something to every container and waits until it has other credentials than before, and those have run out.
func (w *world) next(t *testing.T, do func(*container) error) {
	t.Helper()
	for _, c := range w.containers {
		now := c.credentials(t)
		require.NoError(t, do(c))
		require.NoError(t, kit.Eventually(t.Context(), time.Minute, func(context.Context) error {
			if c.credentials(t).AccessKeyID == now.AccessKeyID || time.Now().Before(now.Expiration.Add(time.Second)) {
				return errors.New("the credentials from before still serve")
			}
			return nil
		}))
	}
}

type shown struct {
	AccessKeyID string    `json:"AccessKeyId"`
	Expiration  time.Time `json:"Expiration"`
}

func (c *container) credentials(t *testing.T) (s shown) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(c.volume.Dir, "..data", "credentials.json"))
	require.NoError(t, err)
	require.NoError(t, json.Unmarshal(text, &s))
	return s
}
