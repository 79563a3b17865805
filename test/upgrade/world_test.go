package upgrade

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"kube-aws-iam-controller/internal/awssim"

	"kube-aws-iam-controller/test/cluster"
	"kube-aws-iam-controller/test/kit"
)

// The manifests of two versions stay installed.
var shared = cluster.Shared{Apart: true}

func TestMain(m *testing.M) { os.Exit(shared.Run(m)) }

// within is how long what happens at once may take on a busy machine.
const within = time.Minute

// image is that of the sidecar.
const image = "registry.example/kube-aws-iam-controller:v1"

// A world is one cluster and one AWS, which outlive every version that is run on them.
type world struct {
	*cluster.Cluster

	t          *testing.T
	aws        *kit.AWS
	iam        *iam.Client // an administrator's
	namespace  string
	kubeconfig string
	log        string
	controller *kit.Controller
}

// newWorld has the IAM policies of a version: whoever upgrades a controller does not upgrade those with it.
func newWorld(t *testing.T, of version) *world {
	t.Helper()
	w := &world{Cluster: shared.Get(t), t: t, log: filepath.Join(t.TempDir(), "controller.log")}
	var err error
	w.aws, err = kit.StartAWS(t.Context(), "/")
	require.NoError(t, err)
	t.Cleanup(w.end)
	w.iam, err = w.aws.Admin()
	require.NoError(t, err)
	policy := w.read(of, "examples/iam/controller-policy.json")
	_, err = w.iam.PutRolePolicy(t.Context(), &iam.PutRolePolicyInput{
		RoleName: &w.aws.ControllerRole, PolicyName: new("controller"), PolicyDocument: &policy,
	})
	require.NoError(t, err)
	w.aws.Boundary, err = w.aws.AddManagedPolicy(kit.AccountID, "/", "kube-aws-iam-controller-boundary", w.read(of, "examples/iam/permissions-boundary.json"))
	require.NoError(t, err)
	w.namespace = w.NewNamespace(t)
	return w
}

func (w *world) read(of version, name string) string {
	w.t.Helper()
	text, err := os.ReadFile(filepath.Join(of.root, name))
	require.NoError(w.t, err)
	return string(text)
}

func (w *world) end() {
	ctx := context.Background() // the test's own is done
	w.stop()
	defer w.aws.Close()
	leaks, err := kit.Leaks(ctx, w.Access, w.aws, w.log)
	require.NoError(w.t, err)
	assert.Empty(w.t, leaks)
	if w.t.Failed() {
		log, _ := os.ReadFile(w.log)
		w.t.Logf("the end of the controller's log:\n%s", log[max(0, len(log)-20000):])
	}
}

// install applies the manifests of a version over what is there, as an upgrade does.
func (w *world) install(v version) {
	w.t.Helper()
	ctx := w.t.Context()
	var err error
	w.kubeconfig, err = kit.InstallFrom(ctx, w.Access, v.root)
	require.NoError(w.t, err)
	policy, guard := kit.PolicyComponent(image, nil), kit.GuardComponent()
	policy.Root, guard.Root = v.root, v.root
	for _, each := range []kit.Component{policy, guard} {
		require.NoError(w.t, each.Apply(ctx, w.Access))
	}
}

// run starts the controller of a version, for all namespaces, and waits until it is ready.
func (w *world) run(v version) {
	w.t.Helper()
	w.stop()
	var err error
	w.controller, err = kit.StartController(w.t.Context(), kit.Options{
		Binary: v.binary, Kubeconfig: w.kubeconfig, Log: w.log,
		Args: []string{"--cluster-name=test", "--permissions-boundary=" + w.aws.Boundary, "--iam-qps=1000", "--drift-interval=1s"},
		Env:  append(w.aws.ControllerEnv(), "POD_NAMESPACE="+kit.Namespace),
	})
	require.NoError(w.t, err)
	require.NoError(w.t, w.controller.WaitReady(w.t.Context(), within))
}

// stop ends the controller as a Deployment does.
func (w *world) stop() {
	if w.controller == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), within)
	defer cancel()
	_, err := w.controller.Stop(ctx)
	assert.NoError(w.t, err)
	w.controller = nil
}

func (w *world) eventually(done func(context.Context) error) {
	w.t.Helper()
	require.NoError(w.t, kit.Eventually(w.t.Context(), within, done))
}

// role adds a role that somebody made, with a trust policy.
func (w *world) role(account, name, trust string) string {
	w.t.Helper()
	arn, err := w.aws.AddRole(awssim.RoleSpec{Account: account, Name: name, Trust: trust, MaxSessionDuration: 43200})
	require.NoError(w.t, err)
	return arn
}

// account creates a ServiceAccount, with annotations as pairs.
func (w *world) account(name string, annotations ...string) {
	w.t.Helper()
	all := map[string]string{}
	for i := 0; i < len(annotations); i += 2 {
		all["iam.amazonaws.com/"+annotations[i]] = annotations[i+1]
	}
	_, err := w.Client().CoreV1().ServiceAccounts(w.namespace).Create(w.t.Context(),
		&corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Name: name, Annotations: all}}, metav1.CreateOptions{})
	require.NoError(w.t, err)
}

// resource creates an AWSIAMRole.
func (w *world) resource(name, reference string) {
	w.t.Helper()
	_, err := w.KubectlInput(w.t.Context(), strings.NewReader(fmt.Sprintf(
		"apiVersion: zalando.org/v1\nkind: AWSIAMRole\nmetadata: {name: %s, namespace: %s}\nspec: {roleReference: %q}\n", name, w.namespace, reference)), "apply", "-f", "-")
	require.NoError(w.t, err)
}

// secret waits for a Secret with other credentials than before's, nil for any.
func (w *world) secret(name string, before *corev1.Secret) (found *corev1.Secret) {
	w.t.Helper()
	w.eventually(func(ctx context.Context) (err error) {
		found, err = w.Client().CoreV1().Secrets(w.namespace).Get(ctx, name, metav1.GetOptions{})
		if err == nil && before != nil && found.UID == before.UID {
			return fmt.Errorf("secret %s is the one from before", name)
		}
		return err
	})
	return found
}

// holder is whose credentials a Secret holds, by STS's word: the session of a role, and the role's unique id.
func (w *world) holder(secret *corev1.Secret) string {
	w.t.Helper()
	var is struct {
		AccessKeyID     string `json:"AccessKeyId"`
		SecretAccessKey string `json:"SecretAccessKey"`
		SessionToken    string `json:"SessionToken"`
	}
	require.NoError(w.t, json.Unmarshal(secret.Data["credentials.json"], &is))
	who, err := w.aws.Caller(w.t.Context(), is.AccessKeyID, is.SecretAccessKey, is.SessionToken)
	require.NoError(w.t, err)
	return *who.Arn + " " + *who.UserId
}

// pod is what the API server makes of a pod of a ServiceAccount, but for the startup probe that the sidecar had in versions
// before.
func (w *world) pod(account string) corev1.PodSpec {
	w.t.Helper()
	made, err := w.Client().CoreV1().Pods(w.namespace).Create(w.t.Context(), &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Name: "p"},
		Spec: corev1.PodSpec{
			ServiceAccountName: account, AutomountServiceAccountToken: new(false),
			Containers: []corev1.Container{{Name: "c", Image: "registry.example/c"}},
		},
	}, metav1.CreateOptions{DryRun: []string{metav1.DryRunAll}})
	require.NoError(w.t, err)
	for i := range made.Spec.InitContainers {
		if sidecar := &made.Spec.InitContainers[i]; sidecar.Name == "aws-iam-credentials" {
			sidecar.StartupProbe = nil
		}
	}
	return made.Spec
}
