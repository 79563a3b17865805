package attacks

import (
	"context"
	"strings"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/kubernetes"

	"kube-aws-iam-controller/test/cluster"
	"kube-aws-iam-controller/test/kit"
)

const byRBAC = "RBAC: edit of a namespace does not reach that far"

// tries runs kubectl commands that the API server has to refuse.
func tries(commands ...string) func(*attacker) {
	return func(a *attacker) {
		for _, command := range commands {
			command = strings.ReplaceAll(command, "VICTIM", a.victim)
			a.forbidden(a.kubectl("", strings.Fields(strings.ReplaceAll(command, "MINE", a.namespace))...))
		}
	}
}

var kubernetesAttacks = []attack{
	{
		intent: "act as the controller", by: byRBAC,
		try: func(a *attacker) {
			name := "system:serviceaccount:" + kit.Namespace + ":" + kit.Account
			_, err := a.Kubectl(a.t.Context(), "--as", cluster.Tenant(a.namespace), "auth", "can-i", "impersonate", "serviceaccounts/"+kit.Account, "-n", kit.Namespace)
			require.Error(a.t, err, "no")
			_, err = a.Kubectl(a.t.Context(), "--as", cluster.Tenant(a.namespace), "auth", "can-i", "impersonate", "users/"+name)
			require.Error(a.t, err, "no")
			tries("create token kube-aws-iam-controller -n kube-system")(a)
		},
	},
	{
		intent: "read the controller's own Secrets, settings and pods", by: byRBAC,
		try: tries("get secrets -n kube-system", "get configmaps -n kube-system", "get pods -n kube-system"),
	},
	{
		intent: "take over the controller's Lease", by: byRBAC,
		try: tries("delete lease kube-aws-iam-controller -n kube-system", "create token kube-aws-iam-controller -n kube-system"),
	},
	{
		intent: "read another tenant's credentials", by: byRBAC,
		try: tries("get secrets -n VICTIM", "get secret app.aws-iam -n VICTIM", "get awsiamroles -n VICTIM", "get events -n VICTIM"),
	},
	{
		intent: "annotate another tenant's ServiceAccount", by: byRBAC,
		try: tries("annotate sa app -n VICTIM --overwrite iam.amazonaws.com/role=x", "create token app -n VICTIM", "delete sa app -n VICTIM"),
	},
	{
		intent: "change or remove the rules of the tenant's own namespace", by: byRBAC,
		try: tries("annotate namespace MINE --overwrite iam.amazonaws.com/allowed-roles=[\"*\"]", "annotate namespace MINE iam.amazonaws.com/allowed-roles-",
			"label namespace MINE a=b", "delete namespace MINE"),
	},
	{
		intent: "remove the guard or admission", by: byRBAC,
		try: tries("delete validatingadmissionpolicy kube-aws-iam-controller-guard-pods", "delete validatingadmissionpolicybinding kube-aws-iam-controller-guard-writes",
			"delete mutatingadmissionpolicybinding kube-aws-iam-controller", "delete mutatingadmissionpolicy kube-aws-iam-controller"),
	},
	{
		intent: "remove permissions of the controller, or gain more", by: byRBAC,
		try: tries("create rolebinding x --clusterrole=kube-aws-iam-controller --user=x", "create clusterrolebinding x --clusterrole=kube-aws-iam-controller --user=x",
			"delete clusterrole kube-aws-iam-controller"),
	},
	{
		intent: "forge the status of an AWSIAMRole", by: byRBAC,
		try: func(a *attacker) {
			require.NoError(a.t, a.kubectl(resource("db", nil, a.roles["app"]), "create", "-f", "-"))
			a.forbidden(a.kubectl("", "patch", "awsiamrole", "db", "--subresource=status", "--type=merge", "-p", `{"status":{"roleARN":"x"}}`))
			a.warned("AWSIAMRole", "db", "GetCredentialsFailed", notAuthorized)
		},
	},
	{
		intent: "write the controller's Secrets as a ServiceAccount of the same name in another namespace", by: "the guard identifies the controller by namespace and name", guard: true,
		try: func(a *attacker) {
			a.ask("kube-aws-iam-controller")
			a.ask("app", "role", a.own("app"))
			a.got("app.aws-iam")
			user := "system:serviceaccount:" + a.namespace + ":kube-aws-iam-controller"
			_, err := a.Kubectl(a.t.Context(), "create", "rolebinding", "more", "-n", a.namespace, "--clusterrole=admin", "--serviceaccount="+a.namespace+":kube-aws-iam-controller")
			require.NoError(a.t, err)
			client, err := kubernetes.NewForConfig(a.UserConfig(user))
			require.NoError(a.t, err)
			a.eventually(func(ctx context.Context) (err error) {
				_, err = client.CoreV1().Secrets(a.namespace).List(ctx, metav1.ListOptions{})
				return err
			})
			_, err = client.CoreV1().Secrets(a.namespace).Patch(a.t.Context(), "app.aws-iam", types.MergePatchType, []byte(`{"data":{"credentials":"eA=="}}`), metav1.PatchOptions{})
			a.forbidden(err)
		},
	},
	{
		intent: "set the finalizer without a role, so that the controller deletes one", by: "the role's name follows from the ServiceAccount, and its tags are checked",
		try: func(a *attacker) {
			forged := account("app", nil)
			forged.Finalizers = []string{"iam.amazonaws.com/role"}
			_, err := a.tenant.CoreV1().ServiceAccounts(a.namespace).Create(a.t.Context(), forged, metav1.CreateOptions{})
			if a.unlessGuarded(err) {
				require.NoError(a.t, a.tenant.CoreV1().ServiceAccounts(a.namespace).Delete(a.t.Context(), "app", metav1.DeleteOptions{}))
				settled()
				assert.Empty(a.t, a.calls("DeleteRole", "RoleName", a.namespace))
			}
		},
	},
	{
		intent: "leave a role behind by removing the finalizer", by: "the process that created it, or the sweep, deletes it; the guard refuses the change",
		try: func(a *attacker) {
			a.ask("app", "role-policy", readBucket)
			arn := string(a.got("app.aws-iam").Data["role-arn"])
			if !a.unlessGuarded(a.patch("serviceaccounts", "app", `{"metadata":{"finalizers":null}}`, "kubectl")) {
				return
			}
			require.NoError(a.t, a.tenant.CoreV1().ServiceAccounts(a.namespace).Delete(a.t.Context(), "app", metav1.DeleteOptions{}))
			a.eventually(func(ctx context.Context) error {
				if strings.Contains(a.describe(ctx, arn), "NoSuchEntity") {
					return nil
				}
				return context.DeadlineExceeded
			})
		},
	},
	{
		intent: "inherit what an earlier namespace of the same name had", by: "Secrets and roles are deleted with their namespace",
		try: func(a *attacker) {
			ctx := a.t.Context()
			a.ask("app", "role-policy", readBucket)
			arn := string(a.got("app.aws-iam").Data["role-arn"])
			require.NoError(a.t, a.Client().CoreV1().Namespaces().Delete(ctx, a.namespace, metav1.DeleteOptions{}))
			a.eventually(func(ctx context.Context) error { // it is there until the role is gone
				_, err := a.Client().CoreV1().Namespaces().Create(ctx, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: a.namespace}}, metav1.CreateOptions{})
				return err
			})
			assert.Contains(a.t, a.describe(ctx, arn), "NoSuchEntity")
			a.eventually(func(ctx context.Context) error {
				_, err := a.Client().CoreV1().ServiceAccounts(a.namespace).Create(ctx, account("app", nil), metav1.CreateOptions{})
				return err
			})
			settled()
			a.nothing("app.aws-iam")
		},
	},
	{
		intent: "be taken for a deleted ServiceAccount of the same name", by: "credentials are issued for the UID of the ServiceAccount",
		try: func(a *attacker) {
			accounts := a.tenant.CoreV1().ServiceAccounts(a.namespace)
			a.ask("app", "role", a.own("app"))
			before := a.got("app.aws-iam")
			require.NoError(a.t, accounts.Delete(a.t.Context(), "app", metav1.DeleteOptions{}))
			_, err := accounts.Create(a.t.Context(), account("app", nil), metav1.CreateOptions{})
			require.NoError(a.t, err)
			a.gone(before.Name)
		},
	},
}

// calls returns those of an action with a parameter that begins with a prefix.
func (a *attacker) calls(action, parameter, prefix string) (found []map[string]string) {
	for _, call := range a.aws.Calls() {
		if call.Action == action && strings.HasPrefix(call.Params[parameter], prefix) {
			found = append(found, call.Params)
		}
	}
	return found
}
