package integration

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"kube-aws-iam-controller/test/cluster"
	"kube-aws-iam-controller/test/kit"
)

// kustomize applies a kustomization of one of the directories of manifests/namespaced, "" for all of it, as somebody who
// may do everything unless the flags of kubectl say otherwise.
func (w *world) kustomize(namespace, directory, patches string, flags ...string) {
	w.t.Helper()
	root, err := cluster.Root()
	require.NoError(w.t, err)
	dir := w.t.TempDir()
	path, err := filepath.Rel(dir, filepath.Join(root, "manifests", "namespaced", directory))
	require.NoError(w.t, err)
	text := fmt.Sprintf("namespace: %s\nresources: [%q]\n%s", namespace, path, patches)
	require.NoError(w.t, os.WriteFile(filepath.Join(dir, "kustomization.yaml"), []byte(text), 0o600))
	_, err = w.Kubectl(w.t.Context(), append([]string{"apply", "-k", dir}, flags...)...)
	require.NoError(w.t, err)
}

// startIn runs a controller as its pods do in a namespace, with the rights that it was given there.
func (w *world) startIn(namespace string, args ...string) *kit.Controller {
	w.t.Helper()
	var err error
	w.kubeconfig, err = w.ServiceAccountKubeconfig(w.t.Context(), namespace, kit.Account)
	require.NoError(w.t, err)
	w.env = append(w.env, "POD_NAMESPACE="+namespace, "KUBE_AWS_IAM_NAMESPACE="+w.namespace)
	c := w.launch(append([]string{"--leader-elect"}, args...)...)
	require.NoError(w.t, c.WaitReady(w.t.Context(), within))
	w.eventually(func(ctx context.Context) error { return c.Leads(ctx, 1) })
	return c
}

// neverRefused says that a controller asked the API server for nothing that it may not do.
func neverRefused(t *testing.T, c *kit.Controller) {
	t.Helper()
	refused, err := c.Metric(t.Context(), `rest_client_requests_total{code="403"`)
	require.NoError(t, err)
	assert.Zero(t, refused, "requests that were refused")
	answered, err := c.Metric(t.Context(), `rest_client_requests_total{code="200"`)
	require.NoError(t, err)
	assert.NotZero(t, answered)
}

func TestRolesOfOneNamespaceAreEnoughToServeIt(t *testing.T) {
	w := newWorld(t)
	client := w.admin()
	elsewhere := w.NewNamespace(t)
	w.kustomize(w.namespace, "", "")
	assert.Equal(t, "metadata.namespace", w.field("deployment/kube-aws-iam-controller",
		`.spec.template.spec.containers[0].env[?(@.name=="KUBE_AWS_IAM_NAMESPACE")].valueFrom.fieldRef.fieldPath`))
	w.iamRole("", "app")
	_, err := w.aws.Role(kit.AccountID, "", "elsewhere", elsewhere+"/test")
	require.NoError(t, err)
	c := w.startIn(w.namespace, "--permissions-boundary="+w.aws.Boundary)

	_, err = w.Client().CoreV1().ServiceAccounts(elsewhere).Create(t.Context(), &corev1.ServiceAccount{
		ObjectMeta: metav1.ObjectMeta{Name: "app", Annotations: map[string]string{roleKey: "elsewhere"}},
	}, metav1.CreateOptions{})
	require.NoError(t, err)
	w.account("app", "app")
	w.role("db", "app: db", "roleReference: app")
	w.accountWith("own", own)
	w.secret("app.aws-iam", nil)
	w.secret("db", nil)
	w.eventuallyField("awsiamrole/db", `.status.conditions[?(@.type=="Ready")].status`, "True")
	w.ownRole(client, string(w.secret("own.aws-iam", nil).Data["role-arn"]))
	require.NoError(t, w.Client().CoreV1().ServiceAccounts(w.namespace).Delete(t.Context(), "own", metav1.DeleteOptions{}))
	w.noRoles(client)
	w.gone("own.aws-iam")

	w.annotate("app", roleKey+"-")
	w.gone("app.aws-iam")
	_, err = w.Client().CoreV1().Secrets(elsewhere).Get(t.Context(), "app.aws-iam", metav1.GetOptions{})
	assert.True(t, apierrors.IsNotFound(err), "another namespace is not served: %v", err)
	neverRefused(t, c)
}

func TestWithRolesAloneRulesHoldAndAreFollowedAtOnce(t *testing.T) {
	w := newWorld(t)
	w.kustomize(w.namespace, "", "")
	w.iamRole("", "app")
	w.rule(`allowed-roles=["other-*"]`)
	c := w.startIn(w.namespace)
	w.account("app", "app")
	w.event("ServiceAccount", "app", "RoleNotPermitted")
	assert.Zero(t, w.assumed(), "STS is not asked")
	w.followsRules()
	neverRefused(t, c)
}

// followsRules changes the rules of the namespace under a ServiceAccount app, and an own one.
func (w *world) followsRules() {
	w.t.Helper()
	follows := func(rule string, done func(name string)) {
		w.t.Helper()
		w.rule(rule)
		done("app.aws-iam")
	}
	served := func(name string) { w.secret(name, nil) }
	follows(`allowed-roles=["app"]`, served)
	follows(`allowed-roles=["other-*"]`, w.gone)
	follows(`allowed-roles=["app"]`, served)
	w.rule(`permitted=(`)
	assert.Contains(w.t, w.event("Namespace", w.namespace, "InvalidAnnotation"), `iam.amazonaws.com/permitted: "(" is not a regular expression`)
	served("app.aws-iam") // a malformed rule withdraws nothing
	follows(`permitted=.*/other`, w.gone)
	follows("permitted-", served)
}

func TestAControllerServesAnotherNamespaceThanItsOwn(t *testing.T) {
	w := newWorld(t)
	runs := w.NewNamespace(t)
	w.kustomize(runs, "controller-namespace", "")
	w.kustomize(w.namespace, "served-namespace", `patches:
  - target: {kind: RoleBinding}
    patch: |
      - {op: replace, path: /subjects/0/namespace, value: `+runs+`}
`)
	w.iamRole("", "app")
	c := w.startIn(runs)
	w.account("app", "app")
	w.secret("app.aws-iam", nil)
	w.account("greedy", w.aws.ControllerRole)
	assert.Contains(t, w.event("ServiceAccount", "greedy", "RoleNotPermitted"), "is the controller's own role")
	neverRefused(t, c)
}

func TestWhoIsAdminOfANamespaceServesItsServiceAccounts(t *testing.T) {
	w := newWorld(t)
	_, err := w.Kubectl(t.Context(), "create", "rolebinding", "admin", "--clusterrole=admin", "--user=admin-of-it", "-n", w.namespace)
	require.NoError(t, err)
	w.kustomize(w.namespace, "", `patches:
  - target: {name: kube-aws-iam-controller-awsiamroles}
    patch: |
      {$patch: delete, kind: any, metadata: {name: any}}
`, "--as=admin-of-it")
	w.iamRole("", "app")
	c := w.startIn(w.namespace)
	w.account("app", "app")
	w.secret("app.aws-iam", nil)
	log, err := c.Output()
	require.NoError(t, err)
	assert.Equal(t, 1, strings.Count(log, "not served until the API server allows it"), "AWSIAMRoles are not, which is said once")
}

func TestANamespaceThatIsMadeLaterIsServed(t *testing.T) {
	for name, flags := range map[string][]string{
		"as now": nil,
		// Before Kubernetes 1.34 a watch does not begin with what is there.
		"by an older API server": {"--feature-gates=WatchList=false"},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorldOfItsOwn(t, flags...)
			w.namespace = "later"
			c := w.start()
			_, err := w.Kubectl(t.Context(), "create", "namespace", w.namespace)
			require.NoError(t, err)
			w.rule(`allowed-roles=["other-*"]`)
			w.iamRole("", "app")
			w.account("app", "app")
			w.event("ServiceAccount", "app", "RoleNotPermitted")
			w.followsRules()
			neverRefused(t, c)
		})
	}
}
