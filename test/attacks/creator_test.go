package attacks

import (
	"context"
	"fmt"
	"strings"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/kubernetes"
)

const byNamespaceRules = "the component `namespace-rules`: namespace rules require a permission of their own"

// ruleAnnotations are those by which a namespace is told what it may use.
var ruleAnnotations = map[string]string{
	"iam.amazonaws.com/allowed-roles": `["*"]`, "iam.amazonaws.com/permitted": ".*", "iam.amazonaws.com/managed-roles": "true",
}

// creator is a client that may do everything to namespaces, and everything within the attacker's.
func (a *attacker) creator() kubernetes.Interface {
	a.t.Helper()
	name := "creator-of-" + a.namespace
	for _, command := range []string{
		"create clusterrole " + name + " --verb=* --resource=namespaces,namespaces/status,namespaces/finalize",
		"create clusterrolebinding " + name + " --clusterrole=" + name + " --user=" + name,
		"create rolebinding " + name + " --clusterrole=cluster-admin --user=" + name + " -n " + a.namespace,
	} {
		_, err := a.Kubectl(a.t.Context(), strings.Fields(command)...)
		require.NoError(a.t, err)
	}
	a.t.Cleanup(func() {
		_, err := a.Kubectl(context.Background(), "delete", "clusterrole,clusterrolebinding", name)
		assert.NoError(a.t, err)
	})
	client, err := kubernetes.NewForConfig(a.UserConfig(name))
	require.NoError(a.t, err)
	a.eventually(func(ctx context.Context) error { // until the API server knows of the rights, and of the policy
		_, err := client.CoreV1().Namespaces().Patch(ctx, a.namespace, types.MergePatchType, []byte(`{"metadata":{"labels":{"a":"b"}}}`), metav1.PatchOptions{})
		if err == nil {
			_, err = client.CoreV1().Secrets(a.namespace).List(ctx, metav1.ListOptions{})
		}
		return err
	})
	return client
}

// bound shows that somebody was refused, and told why.
func (a *attacker) bound(err error, what any) {
	a.t.Helper()
	require.True(a.t, apierrors.IsForbidden(err), "%v: %v", what, err)
	require.ErrorContains(a.t, err, "say which roles it may use, and creator-of-"+a.namespace+" may neither set, change nor remove them", what)
}

// creatorAttacks are tried against the component namespace-rules, and a controller that lets a namespace without rules use no role.
var creatorAttacks = []attack{
	{
		actor: creator, intent: "change or remove the rules of a namespace that the attacker created", by: byNamespaceRules,
		try: func(a *attacker) {
			client := a.creator()
			for _, subresource := range [][]string{nil, {"status"}} {
				for key, value := range ruleAnnotations {
					patch := fmt.Sprintf(`{"metadata":{"annotations":{%q:%q}}}`, key, value)
					_, err := client.CoreV1().Namespaces().Patch(a.t.Context(), a.namespace, types.MergePatchType, []byte(patch), metav1.PatchOptions{}, subresource...)
					a.bound(err, patch)
				}
				for _, patch := range []string{`{"metadata":{"annotations":{"iam.amazonaws.com/allowed-roles":null}}}`, `{"metadata":{"annotations":null}}`} {
					_, err := client.CoreV1().Namespaces().Patch(a.t.Context(), a.namespace, types.MergePatchType, []byte(patch), metav1.PatchOptions{}, subresource...)
					a.bound(err, patch)
				}
			}
			have, err := client.CoreV1().Namespaces().Get(a.t.Context(), a.namespace, metav1.GetOptions{})
			require.NoError(a.t, err)
			have.Annotations["iam.amazonaws.com/allowed-roles"] = `["*"]`
			_, err = client.CoreV1().Namespaces().Finalize(a.t.Context(), have, metav1.UpdateOptions{})
			a.bound(err, "finalize")
		},
	},
	{
		actor: creator, intent: "create a namespace with rules of the attacker's choice", by: byNamespaceRules,
		try: func(a *attacker) {
			client := a.creator()
			for key, value := range ruleAnnotations {
				for _, name := range []metav1.ObjectMeta{{Name: a.namespace + "-x"}, {GenerateName: a.namespace + "-"}} {
					name.Annotations = map[string]string{key: value}
					_, err := client.CoreV1().Namespaces().Create(a.t.Context(), &corev1.Namespace{ObjectMeta: name}, metav1.CreateOptions{DryRun: []string{metav1.DryRunAll}})
					a.bound(err, key)
				}
			}
			_, err := client.CoreV1().Namespaces().Create(a.t.Context(), &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: a.namespace + "-x"}},
				metav1.CreateOptions{DryRun: []string{metav1.DryRunAll}})
			require.NoError(a.t, err, "without rules")
		},
	},
	{
		actor: creator, intent: "remove a namespace's rules by deleting and creating it again", by: "`--namespace-restrictions`: a namespace without rules may use no role",
		try: func(a *attacker) {
			client := a.creator()
			role := a.own("app")
			require.NoError(a.t, client.CoreV1().Namespaces().Delete(a.t.Context(), a.namespace, metav1.DeleteOptions{}))
			a.eventually(func(ctx context.Context) error {
				_, err := client.CoreV1().Namespaces().Create(ctx, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: a.namespace}}, metav1.CreateOptions{})
				return err
			})
			a.eventually(func(ctx context.Context) error {
				_, err := a.Client().CoreV1().ServiceAccounts(a.namespace).Create(ctx, account("app", map[string]string{"role": role}), metav1.CreateOptions{})
				return err
			})
			a.eventually(func(ctx context.Context) error { // the attacker's own rights went with the namespace
				list, err := a.Client().CoreV1().Events(a.namespace).List(ctx, metav1.ListOptions{FieldSelector: "reason=RoleNotPermitted"})
				if err == nil && len(list.Items) == 0 {
					err = context.DeadlineExceeded
				}
				return err
			})
			a.nothing("app.aws-iam")
		},
	},
	{
		actor: creator, intent: "gain the permission to write rules, by binding it within the namespace", by: byNamespaceRules + ", cluster-wide",
		try: func(a *attacker) {
			client := a.creator()
			name := "creator-of-" + a.namespace
			for _, command := range []string{"create rolebinding rules -n " + a.namespace + " --clusterrole=kube-aws-iam-controller-namespace-rules --user=" + name} {
				_, err := a.Kubectl(a.t.Context(), append([]string{"--as", name}, strings.Fields(command)...)...)
				require.NoError(a.t, err, "who administers a namespace may")
			}
			settled()
			patch := []byte(`{"metadata":{"annotations":{"iam.amazonaws.com/allowed-roles":"[\"*\"]"}}}`)
			_, err := client.CoreV1().Namespaces().Patch(a.t.Context(), a.namespace, types.MergePatchType, patch, metav1.PatchOptions{})
			a.bound(err, "bound in the namespace")
			_, err = a.Kubectl(a.t.Context(), "--as", name, "create", "clusterrolebinding", "rules-"+a.namespace,
				"--clusterrole=kube-aws-iam-controller-namespace-rules", "--user="+name)
			a.forbidden(err)

			_, err = a.Kubectl(a.t.Context(), "create", "clusterrolebinding", "rules-"+a.namespace,
				"--clusterrole=kube-aws-iam-controller-namespace-rules", "--user="+name)
			require.NoError(a.t, err)
			a.eventually(func(ctx context.Context) (err error) { // whoever is given the right may
				_, err = client.CoreV1().Namespaces().Patch(ctx, a.namespace, types.MergePatchType, patch, metav1.PatchOptions{DryRun: []string{metav1.DryRunAll}})
				return err
			})
			_, err = a.Kubectl(a.t.Context(), "delete", "clusterrolebinding", "rules-"+a.namespace)
			require.NoError(a.t, err)
		},
	},
}
