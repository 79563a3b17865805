package plugin

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"kube-aws-iam-controller/test/cluster"
	"kube-aws-iam-controller/test/kit"
)

// A statusWorld is a control plane of its own, with all requests recorded, and a controller on it.
type statusWorld struct {
	*cluster.Cluster

	t         *testing.T
	aws       *kit.AWS
	namespace string
	// printed is all that the plugin has printed.
	printed []string
}

func newStatusWorld(t *testing.T) *statusWorld {
	t.Helper()
	control, aws := startAlone(t, cluster.Options{Audit: true})
	w := &statusWorld{Cluster: control, t: t, aws: aws}
	w.namespace = w.NewNamespace(t)
	_, err := kit.Install(t.Context(), control.Access)
	require.NoError(t, err)
	t.Cleanup(w.assertNothingLeaked)
	return w
}

// assertNothingLeaked looks for everything that AWS issued in all that was printed.
func (w *statusWorld) assertNothingLeaked() {
	all := strings.Join(w.printed, "\n")
	secrets := w.aws.IssuedSecrets()
	require.NotEmpty(w.t, secrets)
	require.NotEmpty(w.t, all)
	for _, secret := range secrets {
		assert.NotContains(w.t, all, secret)
	}
}

// start runs a controller of the whole cluster.
func (w *statusWorld) start() *kit.Controller {
	w.t.Helper()
	binary, err := kit.Binary()
	require.NoError(w.t, err)
	kubeconfig, err := kit.Install(w.t.Context(), w.Access)
	require.NoError(w.t, err)
	c, err := kit.StartController(w.t.Context(), kit.Options{
		Binary: binary, Kubeconfig: kubeconfig, Log: filepath.Join(w.t.TempDir(), "log"),
		Env: append(w.aws.ControllerEnv(), "KUBE_AWS_IAM_CLUSTER_NAME=test"),
	})
	require.NoError(w.t, err)
	w.t.Cleanup(c.Kill)
	require.NoError(w.t, c.WaitReady(w.t.Context(), within))
	return c
}

func (w *statusWorld) run(kubeconfig string, args ...string) kit.Printed {
	w.t.Helper()
	out, err := kit.RunPlugin(w.t.Context(), kubeconfig, args...)
	require.NoError(w.t, err)
	w.printed = append(w.printed, out.Stdout, out.Stderr)
	return out
}

// an identity as the plugin prints it.
type printedIdentity struct {
	Kind      string          `json:"kind"`
	Name      string          `json:"name"`
	State     string          `json:"state"`
	LastError *printedProblem `json:"lastError"`
}

type printedProblem struct {
	Reason string `json:"reason"`
}

// states returns the states of the identities of the namespace, by kind/name, and the last errors.
func (w *statusWorld) states(kubeconfig string, code int) (map[string]string, map[string]string) {
	w.t.Helper()
	out := w.run(kubeconfig, "status", "--namespace", w.namespace, "--output", "json")
	require.Equal(w.t, code, out.Code, out.Stderr)
	var list struct {
		APIVersion string            `json:"apiVersion"`
		Kind       string            `json:"kind"`
		Items      []printedIdentity `json:"items"`
	}
	require.NoError(w.t, json.Unmarshal([]byte(out.Stdout), &list))
	assert.Equal(w.t, "kube-aws-iam-controller/v1 IdentityList", list.APIVersion+" "+list.Kind)
	states, problems := map[string]string{}, map[string]string{}
	for _, i := range list.Items {
		states[i.Kind+"/"+i.Name] = i.State
		if i.LastError != nil {
			problems[i.Kind+"/"+i.Name] = i.LastError.Reason
		}
	}
	return states, problems
}

// awaitStates waits until the plugin names states.
func (w *statusWorld) awaitStates(kubeconfig string, code int, want map[string]string) map[string]string {
	w.t.Helper()
	var problems map[string]string
	require.NoError(w.t, kit.Eventually(w.t.Context(), within, func(context.Context) error {
		var got map[string]string
		got, problems = w.states(kubeconfig, code)
		if !assert.ObjectsAreEqual(want, got) {
			return fmt.Errorf("states are %v", got)
		}
		return nil
	}))
	return problems
}

func (w *statusWorld) account(name string, annotations map[string]string) {
	w.t.Helper()
	_, err := kit.In(w.Access, w.namespace).Account(w.t.Context(), name, annotations)
	require.NoError(w.t, err)
}

// annotate sets an annotation of ours on an object.
func (w *statusWorld) annotate(object, annotation string) {
	w.t.Helper()
	_, err := w.Kubectl(w.t.Context(), "annotate", object, "--namespace", w.namespace, "--overwrite", "iam.amazonaws.com/"+annotation)
	require.NoError(w.t, err)
}

// user returns the kubeconfig of a ServiceAccount with a ClusterRole in the namespace, "" for none.
func (w *statusWorld) user(name, role string) string {
	w.t.Helper()
	w.account(name, nil)
	if role != "" {
		_, err := w.Client().RbacV1().RoleBindings(w.namespace).Create(w.t.Context(), &rbacv1.RoleBinding{
			ObjectMeta: metav1.ObjectMeta{Name: name},
			RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: role},
			Subjects:   []rbacv1.Subject{{Kind: "ServiceAccount", Namespace: w.namespace, Name: name}},
		}, metav1.CreateOptions{})
		require.NoError(w.t, err)
	}
	kubeconfig, err := w.ServiceAccountKubeconfig(w.t.Context(), w.namespace, name)
	require.NoError(w.t, err)
	return kubeconfig
}

func TestStatusNamesEveryState(t *testing.T) {
	w := newStatusWorld(t)
	for _, name := range []string{"app", "other"} {
		_, err := w.aws.Role(kit.AccountID, "", name, w.namespace+"/test")
		require.NoError(t, err)
	}
	admin := w.AdminKubeconfig()
	w.account("ready", map[string]string{"role": "app"})
	w.account("stale", map[string]string{"role": "app"})
	w.account("edited", map[string]string{"role": "app"})
	w.account("missing", map[string]string{"role": "no-such-role"})
	w.account("malformed", map[string]string{"role": "app", "delivery": "pigeon"})
	w.account("taken", map[string]string{"role": "app"})
	w.account("plain", nil)
	require.NoError(t, kit.In(w.Access, w.namespace).ApplyYAML(t.Context(), "awsiamrole/resource",
		"apiVersion: zalando.org/v1\nkind: AWSIAMRole\nmetadata: {name: resource, namespace: "+w.namespace+"}\nspec: {roleReference: app}\n"))
	_, err := w.Client().CoreV1().Secrets(w.namespace).Create(t.Context(), &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Name: "taken.aws-iam"}}, metav1.CreateOptions{})
	require.NoError(t, err)
	want := map[string]string{
		"ServiceAccount/ready": "waiting", "ServiceAccount/stale": "waiting", "ServiceAccount/edited": "waiting", "ServiceAccount/missing": "waiting",
		"ServiceAccount/malformed": "refused", "ServiceAccount/taken": "conflict", "AWSIAMRole/resource": "waiting",
	}
	got, _ := w.states(admin, 0)
	require.Equal(t, want, got, "no controller runs yet")

	c := w.start()
	for _, name := range []string{"ServiceAccount/ready", "ServiceAccount/stale", "ServiceAccount/edited", "AWSIAMRole/resource"} {
		want[name] = "ready"
	}
	problems := w.awaitStates(admin, 0, want)
	require.NoError(t, kit.Eventually(t.Context(), within, func(context.Context) error {
		_, problems = w.states(admin, 0)
		if problems["ServiceAccount/missing"] == "" || problems["ServiceAccount/taken"] == "" {
			return fmt.Errorf("last errors are %v", problems)
		}
		return nil
	}))
	assert.Equal(t, map[string]string{
		"ServiceAccount/missing": "GetCredentialsFailed", "ServiceAccount/malformed": "InvalidAnnotation", "ServiceAccount/taken": "SecretConflict",
	}, problems)

	w.annotate("serviceaccount/stale", "role=no-such-role")
	want["ServiceAccount/stale"] = "stale"
	w.awaitStates(admin, 0, want)

	t.Run("with the rights of view", func(t *testing.T) {
		hidden := map[string]string{
			"ServiceAccount/ready": "unknown", "ServiceAccount/stale": "unknown", "ServiceAccount/edited": "unknown", "ServiceAccount/missing": "unknown",
			"ServiceAccount/malformed": "refused", "ServiceAccount/taken": "unknown", "AWSIAMRole/resource": "ready",
		}
		viewer := w.user("viewer", "view")
		w.awaitStates(viewer, 2, hidden)
		out := w.run(viewer, "status", "--namespace", w.namespace)
		assert.Contains(t, out.Stderr, "note: you may not list Secrets in the namespace "+w.namespace)
		assert.Contains(t, out.Stdout, "serviceaccount/missing")
	})
	t.Run("without any", func(t *testing.T) {
		out := w.run(w.user("nobody", ""), "status", "--namespace", w.namespace)
		assert.Equal(t, 1, out.Code)
		assert.Empty(t, out.Stdout)
		assert.Contains(t, out.Stderr, "error: neither ServiceAccounts nor AWSIAMRoles may be listed")
	})
	t.Run("as a table", func(t *testing.T) {
		out := w.run(admin, "status", "--all-namespaces", "--output", "wide")
		require.Zero(t, out.Code, out.Stderr)
		lines := strings.Split(strings.TrimSpace(out.Stdout), "\n")
		require.Len(t, lines, 8)
		assert.Regexp(t, `^NAMESPACE +IDENTITY +ROLE +STATE +TIME LEFT +LAST USED +SECRET +EXPIRATION +EXTERNAL ID +LAST ERROR$`, lines[0])
		assert.Regexp(t, `^\S+ +serviceaccount/taken .* conflict `, lines[1], "trouble is first")
		assert.Regexp(t, `^\S+ +serviceaccount/ready +`+kit.ARN(kit.AccountID, "", "app")+` +ready +\d+m\S* +- +ready\.aws-iam +20\S+Z +`+w.namespace+`/test +-`, lines[7])
		assert.NotContains(t, out.Stdout, "\x1b", "it is no terminal")
	})
	t.Run("of labels", func(t *testing.T) {
		_, err = w.Kubectl(t.Context(), "label", "serviceaccount/ready", "--namespace", w.namespace, "team=a")
		require.NoError(t, err)
		out := w.run(admin, "status", "--namespace", w.namespace, "--selector", "team=a")
		assert.Equal(t, 2, strings.Count(out.Stdout, "\n"), out.Stdout)
		out = w.run(admin, "status", "--namespace", w.namespace, "--selector", "team=b")
		assert.Zero(t, out.Code)
		assert.Empty(t, out.Stdout)
		assert.Contains(t, out.Stderr, "with the labels team=b requests an AWS identity, and no controller is installed")
	})
	t.Run("as it changes", func(t *testing.T) { w.watches(t) })

	w.aws.SetSession(3 * time.Second)
	w.account("expired", map[string]string{"role": "app"})
	_, err = kit.In(w.Access, w.namespace).Secret(t.Context(), "expired.aws-iam", nil)
	require.NoError(t, err)
	c.Kill()
	w.annotate("secret/edited.aws-iam", "expiration=2099-01-02T03:04:05Z")
	want["ServiceAccount/expired"], want["ServiceAccount/edited"], want["ServiceAccount/watched"] = "expired", "edited", "ready"
	w.awaitStates(admin, 0, want)
}

// watches sees that a watch prints a new identity, and its change.
func (w *statusWorld) watches(t *testing.T) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "out")
	out, err := os.Create(path)
	require.NoError(t, err)
	cmd, err := kit.PluginCommand(t.Context(), w.AdminKubeconfig(), "status", "--namespace", w.namespace, "--watch")
	require.NoError(t, err)
	cmd.Stdout, cmd.Stderr = out, out
	require.NoError(t, cmd.Start())
	says := func(pattern string) {
		t.Helper()
		require.NoError(t, kit.Eventually(t.Context(), within, func(context.Context) error {
			text, failed := os.ReadFile(path)
			if failed == nil && !regexp.MustCompile(pattern).Match(text) {
				failed = fmt.Errorf("it does not say %s: %s", pattern, text)
			}
			return failed
		}))
	}
	says(`serviceaccount/ready `)
	w.account("watched", map[string]string{"role": "app"})
	says(`serviceaccount/watched +app +ready`)
	w.account("brief", map[string]string{"role": "no-such-role"})
	says(`serviceaccount/brief +no-such-role +waiting`)
	_, err = w.Client().CoreV1().ServiceAccounts(w.namespace).Patch(t.Context(), "brief", types.MergePatchType,
		[]byte(`{"metadata":{"annotations":{"iam.amazonaws.com/role":null}}}`), metav1.PatchOptions{})
	require.NoError(t, err)
	says(`serviceaccount/brief +no-such-role +removed`)
	require.NoError(t, cmd.Process.Signal(os.Interrupt))
	assert.NoError(t, cmd.Wait(), "an interrupt is how a watch ends")
	text, err := os.ReadFile(path)
	require.NoError(t, err)
	w.printed = append(w.printed, string(text))
}
