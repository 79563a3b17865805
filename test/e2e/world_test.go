// Package e2e runs what is shipped, as it is shipped, on a real node: the image, the manifests, and pods that set nothing
// but their ServiceAccount.
package e2e

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"kube-aws-iam-controller/test/cluster"
	"kube-aws-iam-controller/test/image"
	"kube-aws-iam-controller/test/kit"
	"kube-aws-iam-controller/test/node"
)

// Images of the tests. The scratch one has neither shell nor cat. The other one has what Python needs but Python itself.
const (
	controllerImage = "kube-aws-iam-controller:e2e"
	scratchImage    = "localhost/client:scratch"
	shellImage      = "localhost/client:shell"
)

// within is how long what happens at once may take on a busy machine.
const within = 5 * time.Minute

const (
	// takeover is within what a standby leads once the leader was killed: the Lease has to run out.
	takeover = 30 * time.Second
	// delivery is within what a busy kubelet, which looks every few seconds, brings a new Secret into the files of a pod.
	delivery = 20 * time.Second
	// session is that of every role in these tests. Credentials are renewed when a third of it is left, which has to be
	// enough for both, whenever the leader is killed.
	session = 3 * (takeover + delivery)
)

// shared is the node of all tests; nil where none runs.
var (
	shared      *node.Node
	sharedAWS   *kit.AWS
	unsupported error
)

func TestMain(m *testing.M) { os.Exit(run(m)) }

func run(m *testing.M) int {
	ctx := context.Background()
	err := prepare(ctx)
	if errors.Is(err, node.ErrUnsupported) {
		fmt.Fprintln(os.Stderr, "e2e: skipped:", err)
		unsupported, err = err, nil
	}
	code := 1
	if err == nil {
		code = m.Run()
	}
	if shared != nil {
		err = errors.Join(err, shared.Stop())
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "e2e:", err)
		return 1
	}
	return code
}

// prepare starts the node and AWS, and gives the node its images.
func prepare(ctx context.Context) (err error) {
	started := time.Now()
	say := func(what string) {
		fmt.Fprintf(os.Stderr, "e2e: %s, %s since the start\n", what, time.Since(started).Round(time.Second))
	}
	if shared, err = node.Start(ctx, os.Stderr); err != nil {
		return err
	}
	say("the node is up; making images")
	busybox, err := os.ReadFile("/bin/busybox")
	if err != nil {
		return err
	}
	python, err := os.ReadFile("testdata/client.py")
	if err != nil {
		return err
	}
	client := []image.Program{{Path: "/client", Dir: "test", Package: "./cmd/client"}}
	files := map[string][]byte{"/client.py": python}
	for _, name := range []string{"sh", "cat", "wget", "sleep"} {
		files["/bin/"+name] = busybox
	}
	for tag, options := range map[string]image.Options{
		controllerImage: {Programs: image.Product, Version: "e2e"},
		scratchImage:    {Programs: client},
		shellImage:      {Programs: client, Files: files},
	} {
		options.Platform = node.Platform()
		if err = put(ctx, tag, options); err != nil {
			return err
		}
	}
	say("images are there")
	if sharedAWS, err = kit.StartAWSOn(ctx, node.Address, "/infra/"); err != nil {
		return err
	}
	sharedAWS.SetSession(session)
	return nil
}

// put makes an image and gives it to the node.
func put(ctx context.Context, tag string, options image.Options) error {
	made, err := image.Make(ctx, options)
	if err != nil {
		return err
	}
	return shared.Import(ctx, tag, made)
}

// A world is what is installed for one test, and its namespace.
type world struct {
	*node.Node

	t         *testing.T
	aws       *kit.AWS
	namespace string
	dir       string // with the installation's kustomization
}

// install installs what is shipped with some of the components, and takes it away at the end.
func install(t *testing.T, components ...string) *world {
	t.Helper()
	if unsupported != nil {
		t.Skip(unsupported)
	}
	w := &world{Node: shared, t: t, aws: sharedAWS, dir: t.TempDir()}
	root, err := cluster.Root()
	require.NoError(t, err)
	manifests, err := filepath.Rel(w.dir, filepath.Join(root, "manifests"))
	require.NoError(t, err)
	list := ""
	for _, component := range append(components, "guard") {
		list += "\n  - " + manifests + "/components/" + component
	}
	creds := w.aws.Credentials()
	literals := func(pairs []string) string { return "[" + strings.Join(pairs, ", ") + "]" }
	require.NoError(t, os.WriteFile(filepath.Join(w.dir, "kustomization.yaml"), []byte(`resources: [`+manifests+`/base]
components:`+list+`
images:
  - {name: kube-aws-iam-controller, newTag: e2e}
configMapGenerator:
  - name: kube-aws-iam-controller-settings
    namespace: kube-system
    behavior: merge
    literals: `+literals(append(w.aws.EndpointEnv(), "KUBE_AWS_IAM_CLUSTER_NAME=e2e", "KUBE_AWS_IAM_CREDENTIALS_SERVER_IMAGE="+controllerImage))+`
secretGenerator:
  - name: kube-aws-iam-controller-credentials
    namespace: kube-system
    literals: `+literals([]string{"AWS_ACCESS_KEY_ID=" + creds.AccessKeyID, "AWS_SECRET_ACCESS_KEY=" + creds.SecretAccessKey, "AWS_SESSION_TOKEN=" + creds.SessionToken})+`
patches:
  - target: {kind: Deployment}
    patch: |
      - {op: add, path: /spec/template/spec/containers/0/envFrom/-, value: {secretRef: {name: kube-aws-iam-controller-credentials}}}
`), 0o600))
	_, err = w.Kubectl(t.Context(), "apply", "-k", w.dir)
	require.NoError(t, err)
	t.Cleanup(func() {
		w.explain()
		_, err := w.Kubectl(context.Background(), "delete", "-k", w.dir, "--wait=false")
		require.NoError(t, err)
		w.awaitNoPods()
		// As docs/operations.md has it: a release would not take over what is not its own.
		_, err = w.Kubectl(context.Background(), "delete", "lease", kit.Account, "--namespace", kit.Namespace, "--ignore-not-found")
		require.NoError(t, err)
	})
	w.awaitControllers()
	w.namespace = w.NewNamespace(t)
	return w
}

// explain shows what there was to see when a test has failed.
func (w *world) explain() {
	if !w.t.Failed() {
		return
	}
	for _, args := range [][]string{
		{"get", "pods,secrets", "-A", "-o", "wide"},
		{"get", "events", "-A", "--sort-by=.lastTimestamp"},
		{"logs", "-n", "kube-system", "-l", "app.kubernetes.io/name=kube-aws-iam-controller", "--tail=30"},
	} {
		out, err := w.Kubectl(context.Background(), args...)
		w.t.Logf("kubectl %s: %v\n%s", strings.Join(args, " "), err, out)
	}
}

func (w *world) eventually(done func(context.Context) error) {
	w.t.Helper()
	require.NoError(w.t, kit.Eventually(w.t.Context(), within, done))
}

// controllers returns the controller's pods.
func (w *world) controllers(ctx context.Context) ([]corev1.Pod, error) {
	list, err := w.Client().CoreV1().Pods(kit.Namespace).List(ctx, metav1.ListOptions{LabelSelector: "app.kubernetes.io/name=" + kit.Account})
	if err != nil {
		return nil, err
	}
	return list.Items, nil
}

// awaitControllers returns once both replicas are ready, and nothing is left of others.
func (w *world) awaitControllers() {
	w.t.Helper()
	w.eventually(func(ctx context.Context) error {
		pods, err := w.controllers(ctx)
		if err == nil && len(pods) != 2 {
			err = fmt.Errorf("there are %d controllers", len(pods))
		}
		for i := range pods {
			if !ready(&pods[i]) {
				err = fmt.Errorf("%s is not ready: %s", pods[i].Name, pods[i].Status.Phase)
			}
		}
		return err
	})
}

func (w *world) awaitNoPods() {
	require.NoError(w.t, kit.Eventually(context.Background(), within, func(ctx context.Context) error {
		pods, err := w.controllers(ctx)
		if err == nil && len(pods) > 0 {
			err = fmt.Errorf("%s is still there", pods[0].Name)
		}
		return err
	}))
}

func ready(pod *corev1.Pod) bool {
	for _, condition := range pod.Status.Conditions {
		if condition.Type == corev1.PodReady {
			return condition.Status == corev1.ConditionTrue
		}
	}
	return false
}

// account creates a ServiceAccount that uses a role of its name, with more annotations as pairs. The role trusts the
// controller on behalf of the namespace, unless it is to be made later.
func (w *world) account(name string, more ...string) {
	w.t.Helper()
	annotations := map[string]string{"iam.amazonaws.com/role": w.namespace + "-" + name, "iam.amazonaws.com/region": "eu-central-1"}
	for i := 0; i < len(more); i += 2 {
		annotations["iam.amazonaws.com/"+more[i]] = more[i+1]
	}
	_, err := w.Client().CoreV1().ServiceAccounts(w.namespace).Create(w.t.Context(), &corev1.ServiceAccount{
		ObjectMeta: metav1.ObjectMeta{Name: name, Annotations: annotations},
	}, metav1.CreateOptions{})
	require.NoError(w.t, err)
}

// role adds the IAM role of a ServiceAccount.
func (w *world) role(account string) {
	w.t.Helper()
	_, err := w.aws.Role(kit.AccountID, "", w.namespace+"-"+account, w.namespace+"/e2e")
	require.NoError(w.t, err)
}

// pod creates a pod of an image that sets nothing but its ServiceAccount, and where AWS is.
func (w *world) pod(name, account, from string) error {
	yes, no := true, false
	user := int64(1000)
	_, err := w.Client().CoreV1().Pods(w.namespace).Create(w.t.Context(), &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Name: name},
		Spec: corev1.PodSpec{
			ServiceAccountName: account,
			Containers: []corev1.Container{{
				Name: "app", Image: from, ImagePullPolicy: corev1.PullNever,
				Env: []corev1.EnvVar{{Name: "AWS_ENDPOINT_URL_STS", Value: w.aws.URL()}},
				// What a namespace under the restricted Pod Security Standard asks of everybody.
				SecurityContext: &corev1.SecurityContext{
					AllowPrivilegeEscalation: &no, RunAsNonRoot: &yes, RunAsUser: &user,
					Capabilities:   &corev1.Capabilities{Drop: []corev1.Capability{"ALL"}},
					SeccompProfile: &corev1.SeccompProfile{Type: corev1.SeccompProfileTypeRuntimeDefault},
				},
			}},
		},
	}, metav1.CreateOptions{})
	return err
}

// log returns what a pod has printed.
func (w *world) log(ctx context.Context, pod string) (string, error) {
	return w.Kubectl(ctx, "logs", "-n", w.namespace, pod, "-c", "app")
}

// sessionLine is how a line of the client begins that says that it has another session.
const sessionLine = "session "

// seen is how many sessions a pod has seen.
func (w *world) seen(pod string) (n int) {
	w.t.Helper()
	log, err := w.log(w.t.Context(), pod)
	require.NoError(w.t, err)
	for line := range strings.Lines(log) {
		if strings.HasPrefix(line, sessionLine) {
			n++
		}
	}
	return n
}

// sessions waits until a pod has seen that many, of which the one before has to run out, and has had no failed call.
func (w *world) sessions(pod string, count int) {
	w.t.Helper()
	require.NoError(w.t, kit.Eventually(w.t.Context(), session+within, func(ctx context.Context) error {
		log, err := w.log(ctx, pod)
		if err == nil && !strings.Contains(log, fmt.Sprintf("session %d is arn:aws:sts::%s:assumed-role/%s-", count, kit.AccountID, w.namespace)) {
			err = fmt.Errorf("pod %s has not seen session %d yet: %s", pod, count, log)
		}
		return err
	}))
	log, err := w.log(w.t.Context(), pod)
	require.NoError(w.t, err)
	require.NotContains(w.t, log, "FAILED", pod)
}
