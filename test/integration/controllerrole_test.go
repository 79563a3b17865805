package integration

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"kube-aws-iam-controller/test/kit"
)

// asksForItself makes an AWSIAMRole with the controller's own role, as a controller outside AWS has whose credentials it renews itself.
func (w *world) asksForItself() {
	w.t.Helper()
	admin, err := w.aws.Admin()
	require.NoError(w.t, err)
	trust := w.aws.TrustPolicy(w.namespace + "/test")
	_, err = admin.UpdateAssumeRolePolicy(w.t.Context(), &iam.UpdateAssumeRolePolicyInput{RoleName: &w.aws.ControllerRole, PolicyDocument: &trust})
	require.NoError(w.t, err)
	w.role("seed", "", "roleReference: "+w.aws.ControllerARN())
}

func TestTheControllerKeepsWhatItRunsOnWhereItsNamespaceIsNotKnown(t *testing.T) {
	for name, secret := range map[string]func(w *world){
		"the predecessor's": func(w *world) {
			_, err := w.KubectlInput(w.t.Context(), strings.NewReader(fmt.Sprintf(`
apiVersion: v1
kind: Secret
metadata: {name: seed, namespace: %s, labels: {heritage: kube-aws-iam-controller, type: awsiamrole}}
stringData:
  role-arn: %s
  expire: %s
  credentials: "[default]\n"
  credentials.process: "[default]\n"
  awsiamrole-generation: "1"
`, w.namespace, w.aws.ControllerARN(), time.Now().Add(50*time.Minute).UTC().Format(time.RFC3339))), "apply", "-f", "-")
			require.NoError(w.t, err)
		},
		"its own": func(w *world) {
			w.env = append(w.env, "POD_NAMESPACE="+w.namespace)
			c := w.start()
			w.secret("seed", nil)
			ctx, cancel := context.WithTimeout(w.t.Context(), within)
			defer cancel()
			_, err := c.Stop(ctx)
			require.NoError(w.t, err)
			w.env = append(w.env, "POD_NAMESPACE=")
			_, err = w.Kubectl(w.t.Context(), "patch", "awsiamrole", "seed", "-n", w.namespace, "--type=merge", "-p", `{"spec":{"roleSessionDuration":7200}}`)
			require.NoError(w.t, err) // so that it is looked at again
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.asksForItself()
			secret(w)
			before := w.secret("seed", nil)
			calls := w.assumed()
			w.start()
			assert.Contains(t, w.event("AWSIAMRole", "seed", "GetCredentialsFailed"), "set POD_NAMESPACE for the controller")
			w.eventuallyField("awsiamrole/seed", `.status.conditions[?(@.type=="Ready")].message`, w.event("AWSIAMRole", "seed", "GetCredentialsFailed"))
			after, err := w.Client().CoreV1().Secrets(w.namespace).Get(t.Context(), "seed", metav1.GetOptions{})
			require.NoError(t, err, "it is what the controller may run on")
			assert.Equal(t, before.UID, after.UID)
			assert.Equal(t, before.Data, after.Data)
			assert.Equal(t, calls, w.assumed(), "and it is handed out to nobody")

			w.env = append(w.env, "POD_NAMESPACE="+w.namespace)
			w.running[len(w.running)-1].Kill()
			w.start()
			w.secret("seed", before)
		})
	}
}

func TestNoRuleTakesFromTheControllerWhatItRunsOn(t *testing.T) {
	w := newWorld(t)
	w.env = append(w.env, "POD_NAMESPACE="+w.namespace)
	w.asksForItself()
	c := w.start()
	before := w.secret("seed", nil)
	c.Kill()
	// Nor does it matter whether the role asks for an external ID: no other namespace may have it.
	admin, err := w.aws.Admin()
	require.NoError(t, err)
	_, err = admin.UpdateAssumeRolePolicy(t.Context(), &iam.UpdateAssumeRolePolicyInput{RoleName: &w.aws.ControllerRole, PolicyDocument: new(fmt.Sprintf(
		`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":%q},"Action":["sts:AssumeRole","sts:TagSession"]}]}`, w.aws.ControllerARN()))})
	require.NoError(t, err)
	w.iamRole("", "app")
	w.start("--namespace-restrictions", "--require-external-id")
	w.role("app", "", "roleReference: app")
	w.event("AWSIAMRole", "app", "RoleNotPermitted")
	after := w.secret("seed", before)
	assert.Equal(t, before.UID, after.UID, "renewed, because nothing was proven of it, and never removed")
}

func TestAnAPIServerThatIsSilentIsNamedWithinSeconds(t *testing.T) {
	w := newWorld(t)
	silent, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { _ = silent.Close() })
	c := w.launch("--apiserver=http://"+silent.Addr().String(), "--kubeconfig=")
	w.eventually(func(context.Context) error {
		log, failure := c.Output()
		if failure == nil && !strings.Contains(log, "the API server cannot be reached, trying again until it can") {
			failure = errors.New("nothing is said")
		}
		return failure
	})
	log, err := c.Output()
	require.NoError(t, err)
	assert.Contains(t, log, "address=http://"+silent.Addr().String())
	assert.Contains(t, log, "no answer within 3s")
	ctx, cancel := context.WithTimeout(t.Context(), 15*time.Second)
	defer cancel()
	code, err := c.Stop(ctx)
	require.NoError(t, err)
	assert.Zero(t, code)
}

// lease lets controllers use a Lease of a name that no other test has, and returns the flags for it.
func (w *world) lease(name string) []string {
	w.t.Helper()
	rbac := w.Client().RbacV1()
	meta := metav1.ObjectMeta{Name: "lease-" + name, Namespace: kit.Namespace}
	_, err := rbac.Roles(meta.Namespace).Create(w.t.Context(), &rbacv1.Role{ObjectMeta: meta, Rules: []rbacv1.PolicyRule{{
		Verbs: []string{"get", "update"}, APIGroups: []string{"coordination.k8s.io"}, Resources: []string{"leases"}, ResourceNames: []string{name},
	}}}, metav1.CreateOptions{})
	require.NoError(w.t, err)
	_, err = rbac.RoleBindings(meta.Namespace).Create(w.t.Context(), &rbacv1.RoleBinding{
		ObjectMeta: meta, RoleRef: rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "Role", Name: meta.Name},
		Subjects: []rbacv1.Subject{{Kind: rbacv1.ServiceAccountKind, Name: kit.Account, Namespace: kit.Namespace}},
	}, metav1.CreateOptions{})
	require.NoError(w.t, err)
	return []string{"--leader-elect", "--leader-elect-namespace=" + kit.Namespace, "--leader-elect-name=" + name}
}

func TestControllersOfTwoNamespacesNeedALeaseEach(t *testing.T) {
	w := newWorld(t)
	other := w.NewNamespace(t)
	leases := []string{w.namespace, other} // names that no other test has
	flags := map[string][]string{leases[0]: w.lease(leases[0]), leases[1]: w.lease(leases[1])}
	elect := func(namespace, lease string) *kit.Controller {
		return w.launch(append([]string{"--namespace=" + namespace}, flags[lease]...)...)
	}
	first := elect(w.namespace, leases[0])
	w.eventually(func(ctx context.Context) error { return first.Leads(ctx, 1) })
	waits := elect(other, leases[0])
	w.eventually(func(context.Context) error {
		log, failure := waits.Output()
		if failure == nil && !strings.Contains(log, "the lease is held by a controller of another namespace") {
			failure = errors.New("it waits in silence")
		}
		return failure
	})
	require.NoError(t, waits.Leads(t.Context(), 0))
	second := elect(other, leases[1])
	w.eventually(func(ctx context.Context) error { return second.Leads(ctx, 1) })
	require.NoError(t, first.Leads(t.Context(), 1))
}
