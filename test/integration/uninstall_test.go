package integration

import (
	"context"
	"fmt"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"kube-aws-iam-controller/internal/awssim"

	"kube-aws-iam-controller/test/kit"
)

// installed is a controller that is to be uninstalled, and its Deployment, whose pods no node runs.
type installed struct {
	*world

	controller *kit.Controller
	lease      []string
	deployment string
}

// job are the arguments and the environment of the command as the Job runs it, which is the controller's ServiceAccount.
func (w *installed) job(args ...string) (env, all []string) {
	env = append([]string{"KUBECONFIG=" + w.kubeconfig}, w.env...)
	return env, append([]string{"uninstall", "--controller=" + kit.Namespace + "/" + w.deployment}, args...)
}

// uninstall runs the command to its end, and returns its exit code and what it wrote.
func (w *installed) uninstall(args ...string) (int, string) {
	w.t.Helper()
	env, all := w.job(args...)
	out, code := w.plugin(env, all...)
	return code, out
}

// finalizers returns those of a ServiceAccount.
func (w *world) finalizers(name string) []string {
	w.t.Helper()
	account, err := w.Client().CoreV1().ServiceAccounts(w.namespace).Get(w.t.Context(), name, metav1.GetOptions{})
	require.NoError(w.t, err)
	return account.Finalizers
}

// roleNames returns the managed roles that there are, with whether they are tagged as retained.
func (w *world) roleNames(client *iam.Client) map[string]bool {
	w.t.Helper()
	out, err := client.ListRoles(w.t.Context(), &iam.ListRolesInput{PathPrefix: new("/kube-aws-iam-controller/")})
	require.NoError(w.t, err)
	retained := map[string]bool{}
	for i := range out.Roles {
		role, err := client.GetRole(w.t.Context(), &iam.GetRoleInput{RoleName: out.Roles[i].RoleName})
		require.NoError(w.t, err)
		retained[*role.Role.RoleName] = tagOf(role.Role, "retained") == "true"
	}
	return retained
}

// newInstalled serves two managed roles, one of which is to be retained, and an existing one.
func newInstalled(t *testing.T) *installed {
	t.Helper()
	return newInstalledOn(newWorld(t))
}

func newInstalledOn(on *world) *installed {
	on.t.Helper()
	w := &installed{world: on}
	w.lease = w.world.lease(w.namespace)
	w.deploy(2, append(w.lease, "--namespace="+w.namespace)...)
	w.iamRole("", "existing")
	w.controller = w.provisioning(w.lease...)
	w.accountWith("app", map[string]string{policyKey: readBucket})
	w.accountWith("kept", map[string]string{policyKey: readBucket, deletionKey: "Retain"})
	w.account("plain", "existing")
	for _, name := range []string{"app", "kept", "plain"} {
		w.secret(name+".aws-iam", nil)
	}
	return w
}

func (w *installed) stop() {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(w.t.Context(), within)
	defer cancel()
	_, err := w.controller.Stop(ctx)
	require.NoError(w.t, err)
}

func TestUninstallDeletesManagedRolesAndReleasesTheirServiceAccounts(t *testing.T) {
	w := newInstalled(t)
	client := w.admin()
	w.stop()
	code, out := w.uninstall("--managed-roles=delete")
	assert.Zero(t, code, out)
	assert.Contains(t, out, w.namespace+"/app: role deleted; finalizer removed")
	assert.Contains(t, out, "managed roles: 1 deleted, 1 retained, 0 not found or not the controller's, 0 failed, 0 left")
	for _, name := range []string{"app", "kept", "plain"} {
		assert.Empty(t, w.finalizers(name), name)
	}
	roles := w.roleNames(client)
	require.Len(t, roles, 1)
	for name, retained := range roles {
		assert.Contains(t, name, ".kept-")
		assert.True(t, retained)
	}
	w.gone("app.aws-iam")
	assert.Empty(t, w.field("serviceaccount/app", `.metadata.annotations.iam\.amazonaws\.com/role-arn`))
	w.secret("kept.aws-iam", nil)  // still good for an hour
	w.secret("plain.aws-iam", nil) // so is this

	again, out := w.uninstall("--managed-roles=delete")
	assert.Zero(t, again, out)
	assert.Contains(t, out, "managed roles: 0 deleted, 0 retained, 0 not found or not the controller's, 0 failed, 0 left")
}

func TestUninstallCanRetainManagedRoles(t *testing.T) {
	w := newInstalled(t)
	client := w.admin()
	before := w.secret("app.aws-iam", nil)
	w.stop()
	code, out := w.uninstall("--managed-roles=retain")
	assert.Zero(t, code, out)
	assert.Contains(t, out, "managed roles: 0 deleted, 2 retained, 0 not found or not the controller's, 0 failed, 0 left")
	assert.Empty(t, w.finalizers("app"))
	roles := w.roleNames(client)
	assert.Len(t, roles, 2)
	for name, retained := range roles {
		assert.True(t, retained, name)
	}
	assert.Equal(t, before.Data, w.secret("app.aws-iam", nil).Data, "pods go on until the session ends")

	// A controller that comes back takes the roles back.
	w.provisioning(w.lease...)
	w.annotate("app", policyKey+"="+sendQueue)
	w.secret("app.aws-iam", before)
	w.eventually(func(context.Context) error {
		for name, retained := range w.roleNames(client) {
			if retained && name == w.nameOfRole(before.Data["role-arn"]) {
				return fmt.Errorf("%s is still tagged as retained", name)
			}
		}
		return nil
	})
}

func (w *world) nameOfRole(arn []byte) string {
	w.t.Helper()
	return *w.ownRole(w.admin(), string(arn)).RoleName
}

func TestUninstallDoesNothingWhileTheControllerRuns(t *testing.T) {
	kit.FullOnly(t, "it waits for the Lease")
	w := newInstalled(t)
	client := w.admin()
	code, out := w.uninstall("--managed-roles=delete")
	assert.Equal(t, 1, code)
	assert.Contains(t, out, "a controller still runs")
	assert.Equal(t, int32(2), w.replicas())
	assert.Len(t, w.roleNames(client), 2)
	assert.NotEmpty(t, w.finalizers("app"))
}

func TestUninstallKeepsTheFinalizerOfWhatFails(t *testing.T) {
	w := newInstalled(t)
	w.stop()
	w.aws.SetFaults(awssim.Fault{Action: "DeleteRole", Code: "AccessDenied"})
	code, out := w.uninstall("--managed-roles=delete")
	assert.Equal(t, 1, code)
	assert.Contains(t, out, w.namespace+"/app: failed, and keeps its finalizer")
	assert.Contains(t, out, "managed roles: 0 deleted, 1 retained, 0 not found or not the controller's, 1 failed, 0 left")
	assert.NotEmpty(t, w.finalizers("app"))
	assert.Empty(t, w.finalizers("kept"))

	w.aws.SetFaults()
	code, out = w.uninstall("--managed-roles=delete")
	assert.Zero(t, code, out)
	assert.Empty(t, w.finalizers("app"))
}

func TestUninstallUnderTheNameOfAnotherClusterReleasesNothing(t *testing.T) {
	w := newInstalled(t)
	client := w.admin()
	before := w.secret("app.aws-iam", nil)
	w.stop()
	code, out := w.uninstall("--managed-roles=delete", "--cluster-name=another")
	assert.Equal(t, 1, code)
	assert.Contains(t, out, "run it with the controller's own --cluster-name")
	assert.Len(t, w.roleNames(client), 2)
	assert.NotEmpty(t, w.finalizers("app"))
	assert.Equal(t, before.UID, w.secret("app.aws-iam", nil).UID)
}

func TestUninstallKeepsTheCredentialsOfAnotherRole(t *testing.T) {
	w := newInstalled(t)
	w.aws.SetFaults(awssim.Fault{Action: "DeleteRole", Code: "AccessDenied"})
	before := w.secret("app.aws-iam", nil)
	w.annotate("app", policyKey+"-", roleKey+"=existing")
	after := w.secret("app.aws-iam", before)
	require.Contains(t, string(after.Data["role-arn"]), "role/existing")
	require.NotEmpty(t, w.finalizers("app"))
	w.stop()
	w.aws.SetFaults()
	code, out := w.uninstall("--managed-roles=delete")
	assert.Zero(t, code, out)
	assert.Empty(t, w.finalizers("app"))
	assert.Equal(t, after.UID, w.secret("app.aws-iam", nil).UID)
}

func TestAFailedUninstallStartsTheControllerAgain(t *testing.T) {
	w := newInstalled(t)
	w.stop()
	w.aws.SetFaults(awssim.Fault{Action: "DeleteRole", Code: "AccessDenied"})
	code, _ := w.uninstall("--managed-roles=delete")
	assert.Equal(t, 1, code)
	assert.Equal(t, int32(2), w.replicas())

	w.aws.SetFaults()
	code, out := w.uninstall("--managed-roles=delete")
	assert.Zero(t, code, out)
	assert.Zero(t, w.replicas())
}
