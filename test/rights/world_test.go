package rights

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	authorizationv1 "k8s.io/api/authorization/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"kube-aws-iam-controller/test/cluster"
	"kube-aws-iam-controller/test/kit"
)

// Nothing but the controller deletes what is no longer asked for: a garbage collector would do the same.
var shared = cluster.Shared{Options: cluster.Options{
	ControllerManagerFlags: []string{"--controllers=*,-garbage-collector-controller"},
}}

func TestMain(m *testing.M) { os.Exit(shared.Run(m)) }

// within is how long what happens at once may take on a busy machine.
const within = time.Minute

// prepared is the controller's binary, once what is shipped is installed.
var prepared struct {
	sync.Once

	binary string
	err    error
}

// world is a controller with rights of its own choice. Its ServiceAccount is in one namespace and serves another, so
// that many live side by side.
type world struct {
	*cluster.Cluster

	t           *testing.T
	set         set
	aws         *kit.AWS
	own, served string
	kubeconfig  string
	log         string
	// env is the environment of controllers, but for AWS and the settings that are always the same.
	env []string
	// everywhere makes them serve all namespaces. Only one world at a time can have that.
	everywhere bool
	running    *kit.Controller
	// denied is how often controllers that have ended were refused something, by their own count.
	denied float64
	// webhook is the port of the webhook.
	webhook int
	// metrics is the port of metrics for those who may read them.
	metrics int
}

func newWorld(t *testing.T, s set, rights []right) *world {
	t.Helper()
	w := &world{Cluster: shared.Get(t), t: t, set: s, log: filepath.Join(t.TempDir(), "controller.log")}
	prepared.Do(func() {
		if _, prepared.err = kit.Install(context.Background(), w.Access); prepared.err == nil {
			prepared.binary, prepared.err = kit.BuildController(context.Background())
		}
	})
	require.NoError(t, prepared.err)
	w.own = w.NewNamespace(t)
	if w.served = w.own; !s.alone {
		w.served = w.NewNamespace(t)
	}
	_, err := w.Client().CoreV1().ServiceAccounts(w.own).Create(t.Context(), &corev1.ServiceAccount{
		ObjectMeta: metav1.ObjectMeta{Name: kit.Account},
	}, metav1.CreateOptions{})
	require.NoError(t, err)
	w.kubeconfig, err = w.ServiceAccountKubeconfig(t.Context(), w.own, kit.Account)
	require.NoError(t, err)
	w.aws, err = kit.StartAWS(t.Context(), "/infra/")
	require.NoError(t, err)
	t.Cleanup(w.end)
	w.grant(rights)
	return w
}

func (w *world) end() {
	w.stop(context.Background())
	w.aws.Close()
	if w.t.Failed() {
		log, _ := os.ReadFile(w.log)
		w.t.Logf("the end of the controller's log:\n%s", log[max(0, len(log)-20000):])
	}
}

// isAlone waits until what others left behind is gone: nothing can be made in a namespace that is being deleted, and that
// is refused as well.
func (w *world) isAlone() {
	w.t.Helper()
	require.NoError(w.t, kit.Eventually(w.t.Context(), within, func(ctx context.Context) error {
		list, err := w.Client().CoreV1().Namespaces().List(ctx, metav1.ListOptions{})
		if err != nil {
			return err
		}
		for i := range list.Items {
			if list.Items[i].DeletionTimestamp != nil {
				return fmt.Errorf("the namespace %s is being deleted", list.Items[i].Name)
			}
		}
		return nil
	}))
}

// place is where a grant holds here: what is shipped for the controller's namespace in its own, what is shipped for
// another in the one that it serves.
func (w *world) place(g *grant) string {
	switch g.namespace {
	case "":
		return ""
	case kit.Namespace:
		return w.own
	default:
		return w.served
	}
}

// grant grants the rights, and returns once the API server knows of all.
func (w *world) grant(rights []right) {
	w.t.Helper()
	rules := map[*grant][]rbacv1.PolicyRule{}
	for _, r := range rights {
		rules[r.grant] = append(rules[r.grant], r.rule())
	}
	for g, rules := range rules {
		if w.place(g) == "" {
			w.grantEverywhere(g, rules)
			continue
		}
		meta := metav1.ObjectMeta{Name: g.name, Namespace: w.place(g)}
		_, err := w.Client().RbacV1().Roles(meta.Namespace).Create(w.t.Context(), &rbacv1.Role{ObjectMeta: meta, Rules: rules}, metav1.CreateOptions{})
		require.NoError(w.t, err)
		_, err = w.Client().RbacV1().RoleBindings(meta.Namespace).Create(w.t.Context(), &rbacv1.RoleBinding{
			ObjectMeta: meta, RoleRef: rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "Role", Name: meta.Name}, Subjects: w.subjects(),
		}, metav1.CreateOptions{})
		require.NoError(w.t, err)
	}
	for _, r := range rights {
		require.NoError(w.t, kit.Eventually(w.t.Context(), within, func(ctx context.Context) error {
			allowed, err := w.allowed(ctx, r)
			if err == nil && !allowed {
				err = fmt.Errorf("not allowed yet: %s", r)
			}
			return err
		}))
	}
}

func (w *world) grantEverywhere(g *grant, rules []rbacv1.PolicyRule) {
	w.t.Helper()
	rbac, meta := w.Client().RbacV1(), metav1.ObjectMeta{Name: g.name + "-" + w.own}
	_, err := rbac.ClusterRoles().Create(w.t.Context(), &rbacv1.ClusterRole{ObjectMeta: meta, Rules: rules}, metav1.CreateOptions{})
	require.NoError(w.t, err)
	w.t.Cleanup(func() { _ = rbac.ClusterRoles().Delete(context.Background(), meta.Name, metav1.DeleteOptions{}) })
	_, err = rbac.ClusterRoleBindings().Create(w.t.Context(), &rbacv1.ClusterRoleBinding{
		ObjectMeta: meta, RoleRef: rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: meta.Name}, Subjects: w.subjects(),
	}, metav1.CreateOptions{})
	require.NoError(w.t, err)
	w.t.Cleanup(func() { _ = rbac.ClusterRoleBindings().Delete(context.Background(), meta.Name, metav1.DeleteOptions{}) })
}

func (w *world) subjects() []rbacv1.Subject {
	return []rbacv1.Subject{{Kind: "ServiceAccount", Name: kit.Account, Namespace: w.own}}
}

// allowed says whether the controller has a right.
func (w *world) allowed(ctx context.Context, r right) (bool, error) {
	resource, subresource, _ := strings.Cut(r.resource, "/")
	review, err := w.Client().AuthorizationV1().SubjectAccessReviews().Create(ctx, &authorizationv1.SubjectAccessReview{
		Spec: authorizationv1.SubjectAccessReviewSpec{
			User: "system:serviceaccount:" + w.own + ":" + kit.Account,
			ResourceAttributes: &authorizationv1.ResourceAttributes{
				Namespace: w.place(r.grant), Verb: r.verb, Group: r.group, Resource: resource, Subresource: subresource, Name: r.name,
			},
		},
	}, metav1.CreateOptions{})
	if err != nil {
		return false, err
	}
	return review.Status.Allowed, nil
}

// start runs a controller in the place of the one before, and does not wait until it is ready.
func (w *world) start(ctx context.Context, args ...string) (err error) {
	w.stop(ctx)
	env := append(w.aws.ControllerEnv(), "KUBE_AWS_IAM_CLUSTER_NAME=test", "KUBE_AWS_IAM_DEBUG=true", "POD_NAMESPACE="+w.own)
	if !w.everywhere {
		args = append(args, "--namespace="+w.served)
	}
	w.running, err = kit.StartController(ctx, kit.Options{
		Binary: prepared.binary, Kubeconfig: w.kubeconfig, Log: w.log, Args: args, Env: append(env, w.env...),
	})
	return err
}

// stop ends the controller that runs, if one does.
func (w *world) stop(ctx context.Context) {
	if w.running == nil {
		return
	}
	w.count(ctx)
	w.running.Kill()
	w.running = nil
}

// count adds what the controller that runs was refused.
func (w *world) count(ctx context.Context) {
	if n, err := w.running.Metric(ctx, `rest_client_requests_total{code="403"`); err == nil { // it may have ended
		w.denied += n
	}
}
