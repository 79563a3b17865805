package integration

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"kube-aws-iam-controller/test/kit"
)

// asUser is the environment of an administrator of the cluster and of AWS.
func (w *installed) asUser() []string {
	w.t.Helper()
	_, err := w.aws.AddUser(kit.AccountID, "administrator", true)
	require.NoError(w.t, err)
	creds, err := w.aws.UserCredentials(kit.AccountID, "administrator")
	require.NoError(w.t, err)
	return append(w.aws.EndpointEnv(), "KUBECONFIG="+w.AdminKubeconfig(),
		"AWS_ACCESS_KEY_ID="+creds.AccessKeyID, "AWS_SECRET_ACCESS_KEY="+creds.SecretAccessKey)
}

func TestAnAdministratorUninstallsWithTheGuardInForce(t *testing.T) {
	w := newInstalledOn(newWorldOfItsOwn(t))
	require.NoError(t, kit.GuardComponent().Apply(t.Context(), w.Access))
	client, env := w.admin(), w.asUser()
	w.stop()
	plain := w.secret("plain.aws-iam", nil)

	out, code := w.plugin(env, "uninstall", "--managed-roles=delete", "--dry-run")
	require.Zero(t, code, out)
	assert.Contains(t, out, "kube-system/default: would scale the Deployment from 2 to 0")
	assert.Contains(t, out, "default/app: would delete the role arn:aws:iam::"+kit.AccountID+":role/kube-aws-iam-controller/test/default.app-")
	assert.Contains(t, out, "default/kept: would retain the role ")
	assert.Len(t, w.roleNames(client), 2)
	assert.Equal(t, int32(2), w.replicas())
	assert.NotEmpty(t, w.finalizers("app"))

	tenant, err := w.ServiceAccountKubeconfig(t.Context(), "default", "default")
	require.NoError(t, err)
	out, code = w.plugin(append(env, "KUBECONFIG="+tenant), "uninstall", "--managed-roles=delete")
	assert.Equal(t, 1, code)
	assert.Contains(t, out, "list the Deployments of controllers: ")
	assert.Contains(t, out, "name the controller with --controller")
	out, code = w.plugin(env, "uninstall", "--managed-roles=all")
	assert.Equal(t, 1, code)
	assert.Contains(t, out, `--managed-roles: "all": give delete or retain`)

	out, code = w.plugin(env, "uninstall", "--managed-roles=delete")
	require.Zero(t, code, out)
	assert.Contains(t, out, "managed roles: 1 deleted, 1 retained, 0 not found or not the controller's, 0 failed, 0 left")
	assert.Empty(t, w.finalizers("app"))
	assert.Len(t, w.roleNames(client), 1)
	assert.Equal(t, plain.ResourceVersion, w.secret("plain.aws-iam", nil).ResourceVersion)
	assert.Zero(t, w.replicas())
}

func TestAnAdministratorSaysWhichControllerIsMeant(t *testing.T) {
	w := newInstalledOn(newWorldOfItsOwn(t))
	env := w.asUser()
	w.stop()
	deployments := w.Client().AppsV1().Deployments(kit.Namespace)
	_, err := deployments.Create(t.Context(), controllerDeployment("second", 1, "--cluster-name=test", "--namespace=other"), metav1.CreateOptions{})
	require.NoError(t, err)
	out, code := w.plugin(env, "uninstall", "--managed-roles=delete")
	assert.Equal(t, 1, code)
	assert.Contains(t, out, "there are 2 controllers: name the one that is meant with --controller: kube-system/default, kube-system/second")
	for _, name := range []string{"second", w.deployment} {
		require.NoError(t, deployments.Delete(t.Context(), name, metav1.DeleteOptions{}))
	}
	out, code = w.plugin(env, "uninstall", "--managed-roles=retain", "-n", w.namespace)
	assert.Equal(t, 1, code)
	assert.Contains(t, out, "If it is gone already, give the cluster name that it ran with as --cluster-name")
	assert.NotEmpty(t, w.finalizers("app"))

	// The finalizers of others stay, and so does the role.
	_, err = w.Client().CoreV1().ServiceAccounts(w.namespace).Patch(t.Context(), "app", types.JSONPatchType,
		[]byte(`[{"op":"add","path":"/metadata/finalizers/-","value":"example.com/x"}]`), metav1.PatchOptions{})
	require.NoError(t, err)
	out, code = w.plugin(env, "uninstall", "--managed-roles=retain", "--cluster-name=test", "-n", w.namespace)
	require.Zero(t, code, out)
	assert.Contains(t, out, "no controller was found; one that runs all the same")
	assert.Contains(t, out, "managed roles: 0 deleted, 2 retained")
	assert.Equal(t, []string{"example.com/x"}, w.finalizers("app"))
	assert.Len(t, w.roleNames(w.admin()), 2)
}
