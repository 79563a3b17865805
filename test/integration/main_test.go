package integration

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"

	"kube-aws-iam-controller/test/cluster"
	"kube-aws-iam-controller/test/kit"
)

var shared cluster.Shared

func TestMain(m *testing.M) { os.Exit(shared.Run(m)) }

// within is how long what happens at once may take on a busy machine.
const within = kit.Within

// world is one control plane, one AWS and the controllers of one test. Each test has a namespace of its own, and its
// controllers are limited to it unless the test says otherwise, so that tests run in parallel.
type world struct {
	*cluster.Cluster

	t          *testing.T
	aws        *kit.AWS
	namespace  string
	kubeconfig string
	log        string
	env        []string // of controllers, but for their settings
	within     time.Duration
	running    []*kit.Controller
}

func newWorld(t *testing.T) *world {
	t.Helper()
	t.Parallel()
	return newWorldAlone(t)
}

// newWorldAlone is newWorld for a test that needs the machine for itself.
func newWorldAlone(t *testing.T) *world {
	t.Helper()
	control := shared.Get(t)
	w := newWorldOn(t, control)
	var err error
	w.kubeconfig, err = kit.Install(t.Context(), control.Access)
	require.NoError(t, err)
	w.namespace = w.NewNamespace(t)
	return w
}

// newWorldOn installs nothing.
func newWorldOn(t *testing.T, control *cluster.Cluster) *world {
	t.Helper()
	w := &world{Cluster: control, t: t, log: filepath.Join(t.TempDir(), "controller.log"), within: within}
	var err error
	w.aws, err = kit.StartAWS(t.Context(), "/infra/")
	require.NoError(t, err)
	w.env = w.aws.ControllerEnv()
	t.Cleanup(w.end)
	return w
}

// end looks for credentials in whatever the controllers left behind, in every test, and stops what still runs.
func (w *world) end() {
	defer func() {
		for _, c := range w.running {
			c.Kill()
		}
		w.aws.Close()
	}()
	w.assertNothingLeaked()
	if w.t.Failed() {
		log, _ := os.ReadFile(w.log)
		lines := slices.DeleteFunc(strings.Split(string(log), "\n"), func(line string) bool {
			return strings.Contains(line, "level=debug component=client-go") // thirty for each start
		})
		w.t.Logf("the end of the controller's log, without what client-go does:\n%s", strings.Join(lines[max(0, len(lines)-100):], "\n"))
	}
}

// start runs a controller and waits until it is ready.
func (w *world) start(args ...string) *kit.Controller {
	w.t.Helper()
	c := w.launch(append([]string{"--namespace=" + w.namespace}, args...)...)
	require.NoError(w.t, c.WaitReady(w.t.Context(), within))
	return c
}

// launch runs a controller for all namespaces and does not wait.
func (w *world) launch(args ...string) *kit.Controller {
	w.t.Helper()
	binary, err := kit.Binary()
	require.NoError(w.t, err)
	c, err := kit.StartController(w.t.Context(), kit.Options{
		Binary: binary, Kubeconfig: w.kubeconfig, Log: w.log, Args: args,
		Env: append(slices.Clone(w.env), "KUBE_AWS_IAM_CLUSTER_NAME=test", "KUBE_AWS_IAM_DEBUG=true"),
	})
	require.NoError(w.t, err)
	w.running = append(w.running, c)
	return c
}

// assertNothingLeaked looks for every key, secret and token that AWS issued where none may be.
func (w *world) assertNothingLeaked() {
	w.t.Helper()
	leaks, err := kit.Leaks(context.Background(), w.Access, w.aws, w.log, w.running...) // the test's own context is done
	require.NoError(w.t, err)
	if len(leaks) > 0 {
		w.t.Errorf("a credential that AWS issued is in the %s", strings.Join(leaks, " and the "))
	}
}

func (w *world) eventually(done func(context.Context) error) {
	w.t.Helper()
	require.NoError(w.t, kit.Eventually(w.t.Context(), w.within, done))
}

// objects are those of the test's namespace.
func (w *world) objects() kit.Objects {
	return kit.Objects{Access: w.Access, Namespace: w.namespace, Within: w.within}
}

// secret waits for a Secret with other credentials than before's, nil for any.
func (w *world) secret(name string, before *corev1.Secret) *corev1.Secret {
	w.t.Helper()
	found, err := w.objects().Secret(w.t.Context(), name, func(found *corev1.Secret) error {
		if before != nil && string(found.Data["credentials.json"]) == string(before.Data["credentials.json"]) {
			return fmt.Errorf("secret %s still holds the credentials from before", name)
		}
		return nil
	})
	require.NoError(w.t, err)
	return found
}

// gone waits until there is no such Secret.
func (w *world) gone(name string) {
	w.t.Helper()
	require.NoError(w.t, w.objects().NoSecret(w.t.Context(), name))
}

// account creates a ServiceAccount that asks for a role, with more annotations as pairs.
func (w *world) account(name, role string, more ...string) *corev1.ServiceAccount {
	w.t.Helper()
	annotations := map[string]string{"role": role}
	for i := 0; i < len(more); i += 2 {
		annotations[more[i]] = more[i+1]
	}
	account, err := w.objects().Account(w.t.Context(), name, annotations)
	require.NoError(w.t, err)
	return account
}

// role creates or changes an AWSIAMRole by YAML lines of its spec.
func (w *world) role(name, labels string, spec ...string) {
	w.t.Helper()
	manifest := "apiVersion: zalando.org/v1\nkind: AWSIAMRole\nmetadata:\n  name: " + name + "\n  namespace: " + w.namespace +
		"\n  labels: {" + labels + "}\nspec:\n  " + strings.Join(spec, "\n  ") + "\n"
	require.NoError(w.t, w.objects().ApplyYAML(w.t.Context(), "awsiamrole/"+name, manifest))
}

// field returns a field of an object by JSON path.
func (w *world) field(object, path string) string {
	w.t.Helper()
	out, err := w.objects().Field(w.t.Context(), object, path)
	require.NoError(w.t, err)
	return out
}

// eventuallyField waits until a field of an object is want.
func (w *world) eventuallyField(object, path, want string) {
	w.t.Helper()
	require.NoError(w.t, w.objects().UntilField(w.t.Context(), object, path, want))
}

// event waits for an event on an object and returns its message.
func (w *world) event(kind, name, reason string) string {
	w.t.Helper()
	message, err := w.objects().Event(w.t.Context(), kit.Said{Kind: kind, Name: name, Reason: reason})
	require.NoError(w.t, err)
	return message
}

// iamRole adds an IAM role that trusts the controller on behalf of the test's namespace.
func (w *world) iamRole(path, name string) string {
	w.t.Helper()
	arn, err := w.aws.Role(kit.AccountID, path, name, w.namespace+"/test")
	require.NoError(w.t, err)
	return arn
}

// assumed returns how often a role was asked for.
func (w *world) assumed() int { return w.aws.Counts()["AssumeRole"] }
