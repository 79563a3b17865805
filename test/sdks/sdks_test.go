// Package sdks runs real AWS SDKs with the environment and the files that a container is given.
package sdks

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
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

var (
	shared   cluster.Shared
	programs string // the directory for them
	update   = flag.Bool("update", false, "write docs/sdks.md with what was seen")
)

func TestMain(m *testing.M) {
	var err error
	if programs, err = os.MkdirTemp("", "sdks-"); err != nil {
		panic(err)
	}
	code := shared.Run(m)
	_ = os.RemoveAll(programs)
	os.Exit(code)
}

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
	for _, c := range w.containers {
		now := c.credentials(t)
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

func TestSDKsFindTheirCredentialsAndTheNextOnes(t *testing.T) {
	install(t)
	w := newWorld(t)
	var trials []*trial
	for _, k := range kinds {
		t.Run(k.name, func(t *testing.T) {
			trials = append(trials, w.begin(t, k))
		})
	}
	t.Cleanup(func() {
		for _, trial := range trials {
			trial.end()
		}
	})
	w.rotate(t)
	rows := map[string]string{}
	for _, trial := range trials {
		t.Run(trial.kind.name+" after a rotation", func(t *testing.T) { rows[trial.kind.name] = w.again(t, trial) })
	}
	if !t.Failed() && len(rows) == len(kinds) {
		document(t, rows)
	}
}

// A trial is one SDK with each delivery.
type trial struct {
	kind     kind
	version  string
	programs map[identity.Delivery]*program
}

// begin starts the programs of an SDK and has them make their first call.
func (w *world) begin(t *testing.T, k kind) *trial {
	t.Helper()
	command, version := k.prepared(t)
	tried := &trial{kind: k, version: version, programs: map[identity.Delivery]*program{}}
	for _, delivery := range deliveries {
		p := &program{kind: k, command: command, env: w.containers[delivery].env}
		require.NoError(t, p.start(w.aws.URL()))
		tried.programs[delivery] = p
		assert.Contains(t, p.call(t.Context(), w.aws.URL()), whoIs(delivery))
	}
	return tried
}

// again has them make another call, and returns the row of the SDK.
func (w *world) again(t *testing.T, tried *trial) string {
	t.Helper()
	row := "| " + tried.kind.name + " | " + tried.version
	for _, delivery := range deliveries {
		answer := tried.programs[delivery].call(t.Context(), w.aws.URL())
		if delivery != identity.DeliverFile {
			assert.Contains(t, answer, whoIs(delivery))
		}
		row += " | " + verdict(answer)
	}
	return row + " |\n"
}

func whoIs(delivery identity.Delivery) string {
	return "ok arn:aws:sts::" + kit.AccountID + ":assumed-role/" + string(delivery) + "/"
}

func (tried *trial) end() {
	for _, p := range tried.programs {
		p.end()
	}
}

// verdict is the word for what came of a call with credentials that were rotated.
func verdict(answer string) string {
	if strings.HasPrefix(answer, "ok ") {
		return "yes"
	}
	return "until the first session ends"
}

// missing returns the command that a kind needs and that fails here, "" for none.
func (k *kind) missing() string {
	if len(k.needs) == 0 || exec.Command(k.needs[0], k.needs[1:]...).Run() == nil {
		return ""
	}
	return strings.Join(k.needs, " ")
}

// install gets what can be had from Debian.
func install(t *testing.T) {
	t.Helper()
	if _, err := exec.LookPath("apt-get"); err != nil || os.Geteuid() != 0 {
		return
	}
	for _, k := range kinds {
		if k.debian == "" || k.missing() == "" {
			continue
		}
		fmt.Fprintf(os.Stderr, "sdks: installing %s with apt-get, for half a minute\n", k.debian)
		for _, args := range [][]string{{"update", "-qq"}, {"install", "-qq", "-y", "--no-install-recommends", k.debian}} {
			cmd := exec.Command("apt-get", args...)
			cmd.Env = append(os.Environ(), "DEBIAN_FRONTEND=noninteractive")
			if out, err := cmd.CombinedOutput(); err != nil {
				t.Logf("apt-get %v: %v: %s", args, err, out) // then it is skipped by name
			}
		}
	}
}
