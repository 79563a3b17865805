package attacks

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	quantity "k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"kube-aws-iam-controller/internal/awssim"
)

const (
	byCount = "`--max-roles-per-namespace`, which includes retained roles"
	byShare = "what one namespace changes repeatedly uses at most half of `--iam-qps`"
	byRule  = "the namespace's annotation `managed-roles`"

	// fewRoles is what a namespace may have in an installation of these attacks, and iamQPS the default of --iam-qps.
	fewRoles = 5
	iamQPS   = 20
	// otherBucket is another policy that tenants may well ask for.
	otherBucket = `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"s3:GetObject","Resource":"arn:aws:s3:::other/*"}]}`
)

// rolesOf are the names of the roles that were made for a namespace.
func (a *attacker) rolesOf(namespace string) (names []string) {
	a.t.Helper()
	pages := iam.NewListRolesPaginator(a.iam, &iam.ListRolesInput{PathPrefix: new("/kube-aws-iam-controller/test/")})
	for pages.HasMorePages() {
		page, err := pages.NextPage(a.t.Context())
		require.NoError(a.t, err)
		for i := range page.Roles {
			if strings.HasPrefix(*page.Roles[i].RoleName, namespace+".") {
				names = append(names, *page.Roles[i].RoleName)
			}
		}
	}
	return names
}

// retain has a ServiceAccount come and go whose role is to be retained, and says whether it got one.
func (a *attacker) retain(client kubernetes.Interface, namespace, name string) (made bool) {
	a.t.Helper()
	accounts := client.CoreV1().ServiceAccounts(namespace)
	a.eventually(func(ctx context.Context) error { // once the quota has seen that the one before is gone
		_, err := accounts.Create(ctx, account(name, map[string]string{"role-policy": readBucket, "deletion-policy": "Retain"}), metav1.CreateOptions{})
		return err
	})
	a.eventually(func(ctx context.Context) error {
		_, err := a.Client().CoreV1().Secrets(namespace).Get(ctx, name+".aws-iam", metav1.GetOptions{})
		if made = err == nil; made || a.refusedForTooMany(ctx, namespace, name) {
			return nil
		}
		return errors.New("neither made nor refused yet")
	})
	require.NoError(a.t, accounts.Delete(a.t.Context(), name, metav1.DeleteOptions{}))
	a.eventually(func(ctx context.Context) error {
		if _, err := accounts.Get(ctx, name, metav1.GetOptions{}); !apierrors.IsNotFound(err) {
			return errors.New("the ServiceAccount is still there")
		}
		return nil
	})
	return made
}

func (a *attacker) refusedForTooMany(ctx context.Context, namespace, name string) bool {
	list, err := a.Client().CoreV1().Events(namespace).List(ctx, metav1.ListOptions{
		FieldSelector: "involvedObject.name=" + name + ",reason=ProvisionFailed",
	})
	if err != nil {
		return false
	}
	for i := range list.Items {
		if strings.Contains(list.Items[i].Message, "--max-roles-per-namespace=") {
			return true
		}
	}
	return false
}

// limitToThree bounds how many ServiceAccounts there are in a namespace at any time, the default one among them.
func (a *attacker) limitToThree() {
	a.t.Helper()
	_, err := a.Client().CoreV1().ResourceQuotas(a.namespace).Create(a.t.Context(), &corev1.ResourceQuota{
		ObjectMeta: metav1.ObjectMeta{Name: "accounts"},
		Spec:       corev1.ResourceQuotaSpec{Hard: corev1.ResourceList{"count/serviceaccounts": quantity.MustParse("3")}},
	}, metav1.CreateOptions{})
	require.NoError(a.t, err)
}

// creating is a client of somebody who may create and delete namespaces.
func (a *attacker) creating() kubernetes.Interface {
	a.t.Helper()
	name, ctx := "creator-of-"+a.namespace, a.t.Context()
	_, err := a.Client().RbacV1().ClusterRoles().Create(ctx, &rbacv1.ClusterRole{
		ObjectMeta: metav1.ObjectMeta{Name: name},
		Rules:      []rbacv1.PolicyRule{{APIGroups: []string{""}, Resources: []string{"namespaces"}, Verbs: []string{"create", "delete", "get"}}},
	}, metav1.CreateOptions{})
	require.NoError(a.t, err)
	_, err = a.Client().RbacV1().ClusterRoleBindings().Create(ctx, &rbacv1.ClusterRoleBinding{
		ObjectMeta: metav1.ObjectMeta{Name: name},
		RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: name},
		Subjects:   []rbacv1.Subject{{APIGroup: rbacv1.GroupName, Kind: rbacv1.UserKind, Name: name}},
	}, metav1.CreateOptions{})
	require.NoError(a.t, err)
	a.t.Cleanup(func() {
		assert.NoError(a.t, a.Client().RbacV1().ClusterRoles().Delete(context.Background(), name, metav1.DeleteOptions{}))
		assert.NoError(a.t, a.Client().RbacV1().ClusterRoleBindings().Delete(context.Background(), name, metav1.DeleteOptions{}))
	})
	client, err := kubernetes.NewForConfig(a.UserConfig(name))
	require.NoError(a.t, err)
	return client
}

// create makes a namespace as a creator, who may edit it once that is bound, and waits until it can be used.
func (a *attacker) create(creator kubernetes.Interface, namespace string) {
	a.t.Helper()
	a.eventually(func(ctx context.Context) error { // once the one before is gone, and the right is known
		_, err := creator.CoreV1().Namespaces().Create(ctx, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: namespace}}, metav1.CreateOptions{})
		return err
	})
	_, err := a.Client().RbacV1().RoleBindings(namespace).Create(a.t.Context(), &rbacv1.RoleBinding{
		ObjectMeta: metav1.ObjectMeta{Name: "creator"},
		RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: "edit"},
		Subjects:   []rbacv1.Subject{{APIGroup: rbacv1.GroupName, Kind: rbacv1.UserKind, Name: "creator-of-" + a.namespace}},
	}, metav1.CreateOptions{})
	require.NoError(a.t, err)
}

// says has the administrator annotate the attacker's namespace.
func (a *attacker) says(annotation string) {
	a.t.Helper()
	_, err := a.Kubectl(a.t.Context(), "annotate", "--overwrite", "namespace", a.namespace, annotation)
	require.NoError(a.t, err)
}

// countAttacks are tried where a namespace may have few roles.
var countAttacks = []attack{
	{
		intent: "have any number of roles created despite a quota of three ServiceAccounts, by retaining each", by: byCount,
		try: func(a *attacker) {
			a.limitToThree()
			made := 0
			for i := range fewRoles + 3 {
				if a.retain(a.tenant, a.namespace, fmt.Sprintf("app-%d", i)) {
					made++
				}
			}
			assert.Equal(a.t, fewRoles, made)
			assert.Len(a.t, a.rolesOf(a.namespace), fewRoles)
			a.ask("app-1", "role-policy", readBucket)
			a.got("app-1.aws-iam") // whoever comes back has its role
		},
	},
	{
		actor: creator, intent: "reset the number of roles of a namespace, by creating the namespace again", by: byCount + ", and counts roles by the name of the namespace",
		try: func(a *attacker) {
			client, namespace := a.creating(), a.namespace+"-x"
			a.create(client, namespace)
			a.t.Cleanup(func() {
				assert.NoError(a.t, a.Client().CoreV1().Namespaces().Delete(context.Background(), namespace, metav1.DeleteOptions{}))
			})
			for i := range fewRoles {
				assert.True(a.t, a.retain(client, namespace, fmt.Sprintf("app-%d", i)))
			}
			require.NoError(a.t, client.CoreV1().Namespaces().Delete(a.t.Context(), namespace, metav1.DeleteOptions{}))
			a.create(client, namespace)
			assert.False(a.t, a.retain(client, namespace, "another"))
			assert.Len(a.t, a.rolesOf(namespace), fewRoles)
		},
	},
	{
		intent: "use up the role quota of the account, so that no other tenant gets any", by: byCount,
		try: func(a *attacker) {
			a.aws.Set(awssim.Settings{RolesPerAccount: new(80)})
			a.flood(150, map[string]string{"role-policy": readBucket}).wait()
			other := a.newNamespace(a.t, "")
			_, err := a.Client().CoreV1().ServiceAccounts(other).Create(a.t.Context(), account("app", map[string]string{"role-policy": readBucket}), metav1.CreateOptions{})
			require.NoError(a.t, err)
			a.eventually(func(ctx context.Context) error {
				_, err := a.Client().CoreV1().Secrets(other).Get(ctx, "app.aws-iam", metav1.GetOptions{})
				return err
			})
			assert.Len(a.t, a.rolesOf(a.namespace), fewRoles)
		},
	},
	{
		intent: "have roles created in a namespace that may have none", by: byRule,
		try: func(a *attacker) {
			a.ask("before", "role-policy", readBucket)
			a.got("before.aws-iam")
			a.says("iam.amazonaws.com/managed-roles=false")
			a.gone("before.aws-iam")
			assert.Len(a.t, a.rolesOf(a.namespace), 1, "the role stays while it is asked for")
			a.ask("app", "role-policy", readBucket)
			a.warned("ServiceAccount", "app", "RoleNotPermitted", "managed-roles")
			a.nothing("app.aws-iam")
			a.says("iam.amazonaws.com/managed-roles=no")
			a.eventually(func(ctx context.Context) error {
				list, err := a.Client().CoreV1().Events(a.namespace).List(ctx, metav1.ListOptions{FieldSelector: "involvedObject.kind=Namespace,reason=InvalidAnnotation"})
				if err == nil && len(list.Items) == 0 {
					err = errors.New("nothing is said of the malformed annotation")
				}
				return err
			})
			a.nothing("app.aws-iam")
			a.says("iam.amazonaws.com/managed-roles=true")
			a.got("app.aws-iam")
		},
	},
}

// asks counts the requests to IAM for a namespace's roles within a time.
func (a *attacker) asks(from, to time.Time) (number int) {
	for _, call := range a.aws.Calls() {
		if call.Service == "iam" && strings.HasPrefix(call.Params["RoleName"], a.namespace+".") && call.Time.After(from) && call.Time.Before(to) {
			number++
		}
	}
	return number
}

// holding is held by the attack whose share is measured: two together would keep each other below their half.
var holding sync.Mutex

// holds has the attacker do something over and over, and shows that this takes half of the requests to IAM, and that
// somebody else's first role comes meanwhile.
func (a *attacker) holds(again func(ctx context.Context, worker, round int)) {
	a.t.Helper()
	const workers, measured = 20, 15 * time.Second
	holding.Lock()
	defer holding.Unlock()
	ctx, cancel := context.WithCancel(a.t.Context())
	var all sync.WaitGroup
	for worker := range workers {
		all.Go(func() {
			for round := 0; ctx.Err() == nil; round++ {
				again(ctx, worker, round)
			}
		})
	}
	defer all.Wait()
	defer cancel()
	began := time.Now()
	a.eventually(func(context.Context) error { // it is under way, and what it did at once is over
		if a.asks(began, time.Now()) < 3*workers+2*iamQPS || time.Since(began) < 5*time.Second {
			return errors.New("the attack has hardly begun")
		}
		return nil
	})
	start := time.Now()
	other := a.newNamespace(a.t, "")
	_, err := a.Client().CoreV1().ServiceAccounts(other).Create(ctx, account("app", map[string]string{"role-policy": readBucket}), metav1.CreateOptions{})
	require.NoError(a.t, err)
	a.eventually(func(ctx context.Context) error {
		_, err := a.Client().CoreV1().Secrets(other).Get(ctx, "app.aws-iam", metav1.GetOptions{})
		return err
	})
	waited := time.Since(start)
	time.Sleep(time.Until(start.Add(measured))) // what is measured is a rate
	end := time.Now()
	asked, half := a.asks(start, end), iamQPS/2*end.Sub(start).Seconds()
	a.t.Logf("%d requests for the attacker in %s; the other tenant waited %s", asked, end.Sub(start).Round(time.Second), waited.Round(time.Millisecond))
	// Requests that were let through before may arrive late: one of each worker that a namespace may occupy, three quarters of 16.
	const underWay = 12
	assert.LessOrEqual(a.t, float64(asked), half+iamQPS/2+underWay, "half of them, and what half of a second's holds at once")
	assert.Greater(a.t, float64(asked), half/4, "the attack goes on")
}

// shareAttacks are tried with the requests to IAM that a controller makes by default.
var shareAttacks = []attack{
	{
		intent: "use up the IAM rate limit, by policies that change in a loop", by: byShare,
		try: func(a *attacker) {
			for i := range 60 {
				a.ask(fmt.Sprintf("app-%d", i), "role-policy", readBucket)
			}
			a.holds(func(ctx context.Context, worker, round int) {
				policy := []string{otherBucket, readBucket}[round/3%2]
				body := fmt.Sprintf(`{"metadata":{"annotations":{"iam.amazonaws.com/role-policy":%q}}}`, policy)
				err := a.tenant.CoreV1().RESTClient().Patch("application/merge-patch+json").Namespace(a.namespace).Resource("serviceaccounts").
					Name(fmt.Sprintf("app-%d", worker*3+round%3)).Body([]byte(body)).Do(ctx).Error()
				if err != nil && ctx.Err() == nil {
					a.t.Error(err)
				}
				time.Sleep(200 * time.Millisecond) // faster is but a load on the API server
			})
		},
	},
	{
		intent: "use up the IAM rate limit, by roles that are created and deleted in a loop", by: byShare,
		try: func(a *attacker) {
			accounts := a.tenant.CoreV1().ServiceAccounts(a.namespace)
			a.holds(func(ctx context.Context, worker, round int) {
				name := fmt.Sprintf("app-%d-%d", worker, round)
				_, _ = accounts.Create(ctx, account(name, map[string]string{"role-policy": readBucket}), metav1.CreateOptions{})
				for ctx.Err() == nil { // until it has what it asks for
					if _, err := a.Client().CoreV1().Secrets(a.namespace).Get(ctx, name+".aws-iam", metav1.GetOptions{}); err == nil {
						break
					}
					time.Sleep(100 * time.Millisecond)
				}
				_ = accounts.Delete(ctx, name, metav1.DeleteOptions{})
			})
		},
	},
}
