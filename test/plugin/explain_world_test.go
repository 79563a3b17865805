package plugin

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	appsv1 "k8s.io/api/apps/v1"
	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"kube-aws-iam-controller/test/cluster"
	"kube-aws-iam-controller/test/kit"
)

const sidecarImage = "registry.example/credentials-server"

// explainWorld is a control plane with a controller, and who asks why.
type explainWorld struct {
	*cluster.Cluster

	aws *kit.AWS
	// team is a namespace that a controller serves, as its Deployment says.
	team string
	stop func()
	// secrets are never to be printed.
	secrets []string
}

func newExplainWorld(t *testing.T) *explainWorld {
	t.Helper()
	w := &explainWorld{Cluster: shared.Get(t)}
	var err error
	w.aws, err = kit.StartAWS(t.Context(), "/infra/")
	require.NoError(t, err)
	t.Cleanup(w.aws.Close)
	return w
}

// control runs a controller for all namespaces until the test ends, or until w.stop is called.
func (w *explainWorld) control(t *testing.T) {
	t.Helper()
	kubeconfig, err := kit.Install(t.Context(), w.Access)
	require.NoError(t, err)
	binary, err := kit.Binary()
	require.NoError(t, err)
	c, err := kit.StartController(t.Context(), kit.Options{
		Binary: binary, Kubeconfig: kubeconfig, Log: filepath.Join(t.TempDir(), "controller.log"),
		Env: append(w.aws.ControllerEnv(), "KUBE_AWS_IAM_CLUSTER_NAME=test"),
	})
	require.NoError(t, err)
	w.stop = c.Kill
	t.Cleanup(c.Kill)
	require.NoError(t, c.WaitReady(t.Context(), within))
}

// install creates the Deployment of a controller that serves its own namespace, and the Lease that it holds, as they are
// where it runs. No node does, so its pod says that it is ready when it is told to.
func (w *explainWorld) install(t *testing.T, namespace string, args ...string) {
	t.Helper()
	labels := map[string]string{"app.kubernetes.io/name": "kube-aws-iam-controller"}
	deployment := &appsv1.Deployment{ObjectMeta: metav1.ObjectMeta{Name: "kube-aws-iam-controller", Labels: labels}}
	deployment.Spec.Selector = &metav1.LabelSelector{MatchLabels: labels}
	deployment.Spec.Template.Labels = labels
	deployment.Spec.Template.Spec.Containers = []corev1.Container{{
		Name: "controller", Image: "registry.example/controller",
		Args: append([]string{"--namespace=" + namespace, "--cluster-name=test", "--leader-elect", "--controller-role-arn=" + w.aws.ControllerARN()}, args...),
	}}
	_, err := w.Client().AppsV1().Deployments(namespace).Create(t.Context(), deployment, metav1.CreateOptions{})
	require.NoError(t, err)
	w.hold(t, namespace, "replica-1", time.Now().Add(time.Hour)) // which no test outlasts
}

// hold has a replica hold the Lease of the controller.
func (w *explainWorld) hold(t *testing.T, namespace, holder string, renewed time.Time) {
	t.Helper()
	leases := w.Client().CoordinationV1().Leases(namespace)
	_ = leases.Delete(t.Context(), "kube-aws-iam-controller", metav1.DeleteOptions{})
	_, err := leases.Create(t.Context(), &coordinationv1.Lease{
		ObjectMeta: metav1.ObjectMeta{Name: "kube-aws-iam-controller"},
		Spec:       coordinationv1.LeaseSpec{HolderIdentity: &holder, RenewTime: &metav1.MicroTime{Time: renewed}},
	}, metav1.CreateOptions{})
	require.NoError(t, err)
}

// ready has the pod of the controller be ready, and waits until its Deployment says so.
func (w *explainWorld) ready(t *testing.T, namespace string) {
	t.Helper()
	require.NoError(t, kit.Eventually(t.Context(), within, func(ctx context.Context) error {
		deployment, err := w.Client().AppsV1().Deployments(namespace).Get(ctx, "kube-aws-iam-controller", metav1.GetOptions{})
		if err != nil || deployment.Status.ReadyReplicas > 0 {
			return err
		}
		pods, err := w.Client().CoreV1().Pods(namespace).List(ctx, metav1.ListOptions{LabelSelector: "app.kubernetes.io/name=kube-aws-iam-controller"})
		if err != nil {
			return err
		}
		for i := range pods.Items {
			pod := &pods.Items[i]
			pod.Status = running
			if _, err = w.Client().CoreV1().Pods(namespace).UpdateStatus(ctx, pod, metav1.UpdateOptions{}); err != nil {
				return err
			}
		}
		return errors.New("no replica is ready")
	}))
}

// running is the status of a pod that the kubelet runs.
var running = corev1.PodStatus{Phase: corev1.PodRunning, Conditions: []corev1.PodCondition{
	{Type: corev1.PodScheduled, Status: corev1.ConditionTrue}, {Type: corev1.PodReady, Status: corev1.ConditionTrue},
}}

// An answer is what the plugin prints with --output=json.
type answer struct {
	State       string          `json:"state"`
	FirstBroken *explainedLink  `json:"firstBroken"`
	Findings    []explainedLink `json:"findings"`
}

type explainedLink struct {
	Check   string `json:"check"`
	State   string `json:"state"`
	Message string `json:"message"`
	Remedy  string `json:"remedy"`
}

// find returns the finding of a check, none if there is none.
func (a *answer) find(check string) explainedLink {
	for _, f := range a.Findings {
		if f.Check == check {
			return f
		}
	}
	return explainedLink{}
}

// run runs the plugin as the administrator without AWS credentials, unless env or args say otherwise, and looks for
// credentials in what it prints.
func (w *explainWorld) run(t *testing.T, env []string, args ...string) (stdout string, code int) {
	t.Helper()
	var out, errOut bytes.Buffer
	cmd, err := kit.PluginCommand(t.Context(), w.AdminKubeconfig(), args...)
	require.NoError(t, err)
	cmd.Env = append(cmd.Env, env...)
	cmd.Stdout, cmd.Stderr = &out, &errOut
	err = cmd.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		require.NoError(t, err)
	}
	for _, secret := range append(w.aws.IssuedSecrets(), w.secrets...) {
		assert.NotContains(t, out.String()+errOut.String(), secret, "a credential was printed")
	}
	if out.Len() == 0 {
		t.Fatalf("%s: %s", strings.Join(args, " "), errOut.String())
	}
	return out.String(), cmd.ProcessState.ExitCode()
}

// explain runs the command explain.
func (w *explainWorld) explain(t *testing.T, env []string, namespace, object string, args ...string) (answer, int) {
	t.Helper()
	out, code := w.run(t, env, append([]string{"explain", object, "--namespace=" + namespace, "--output=json"}, args...)...)
	var a answer
	require.NoError(t, json.Unmarshal([]byte(out), &a), out)
	return a, code
}

// A verdict is what is expected of the command.
type verdict struct {
	// check is the first broken link, cause and remedy are in what is said about it.
	check, cause, remedy string
}

// broken explains an object until the first broken link is the one expected: what makes it so may take a moment.
func (w *explainWorld) broken(t *testing.T, env []string, namespace, object string, want verdict) {
	t.Helper()
	var last answer
	err := kit.Eventually(t.Context(), within, func(context.Context) error {
		a, code := w.explain(t, env, namespace, object)
		last = a
		switch {
		case code != 1 || a.State != "broken" || a.FirstBroken == nil:
			return fmt.Errorf("exit code %d, state %s", code, a.State)
		case a.FirstBroken.Check != want.check || !strings.Contains(a.FirstBroken.Message, want.cause) || !strings.Contains(a.FirstBroken.Remedy, want.remedy):
			return fmt.Errorf("it names %+v", *a.FirstBroken)
		}
		return nil
	})
	if err != nil {
		for _, f := range last.Findings {
			t.Logf("%+v", f)
		}
	}
	require.NoError(t, err)
}
