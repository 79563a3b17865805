package check

import (
	"cmp"
	"context"
	"io"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"

	"kube-aws-iam-controller/internal/api"
	"kube-aws-iam-controller/internal/cli/command"
	"kube-aws-iam-controller/internal/cli/installation"
	"kube-aws-iam-controller/internal/config"
	"kube-aws-iam-controller/internal/identity"
	"kube-aws-iam-controller/internal/secrets"
)

const (
	// defaultNamespace is where the manifests install the controller.
	defaultNamespace = "kube-system"
	podSelector      = "app.kubernetes.io/name=" + api.ControllerName
)

// A reader reads facts from a cluster. Each fact that cannot be read has an error of its
// own.
type reader struct {
	clients *command.Clients
	rest    *rest.Config
	facts   *facts
	// user is who runs this, "" if that is not known.
	user string
	// settings are those of the controller, or the defaults if they are not known.
	settings config.Config
	// name is that of the controller's ServiceAccount, home is its namespace.
	name, home string
}

// read reads all facts. The error is one that leaves nothing to check.
func (r *reader) read(ctx context.Context) error {
	if err := r.readServer(ctx); err != nil {
		return err
	}
	r.user = r.whoAmI(ctx)
	r.readControllers(ctx)
	if err := r.locate(); err != nil {
		return err
	}
	var group errgroup.Group
	parts := []func(context.Context){r.readOthers, r.readWebhooks}
	if r.facts.before {
		parts = append(parts, r.readInstaller)
	} else {
		parts = append(parts, r.readPods, r.readRights, r.readCRD, r.readPolicies, r.readLease, r.readAWS)
	}
	for _, part := range parts {
		group.Go(func() error {
			part(ctx)
			return nil
		})
	}
	if err := group.Wait(); err != nil {
		return err
	}
	if !r.facts.before {
		r.readProbe(ctx)
	}
	return nil
}

// whoAmI returns the name of the user, "" if that is not known.
func (r *reader) whoAmI(ctx context.Context) string {
	review, err := r.clients.Core.AuthenticationV1().SelfSubjectReviews().Create(ctx, selfReview, metav1.CreateOptions{})
	if err != nil {
		return ""
	}
	return review.Status.UserInfo.Username
}

// readControllers looks for controllers in the namespace, and elsewhere for none. The check
// of the version says what else would be a warning.
func (r *reader) readControllers(ctx context.Context) {
	finder := installation.NewFinder(r.clients.Core, r.facts.plugin, io.Discard)
	controllers := &r.facts.controllers
	if r.facts.namespace != "" {
		controllers.value, controllers.err = finder.In(ctx, r.facts.namespace)
		return
	}
	found, err := finder.Anywhere(ctx, r.ownNamespace())
	controllers.value, controllers.err = found.Controllers, err
	if found.Hidden != nil && len(found.Controllers) == 0 {
		controllers.err = found.Hidden
		r.facts.namespace = cmp.Or(r.ownNamespace(), defaultNamespace)
	}
}

// ownNamespace returns the namespace of the ServiceAccount that runs this, "" for a user
// that is none.
func (r *reader) ownNamespace() string {
	parts := strings.Split(r.user, ":")
	if len(parts) != 4 || !strings.HasPrefix(r.user, serviceAccountPrefix) {
		return ""
	}
	return parts[2]
}

const serviceAccountPrefix = "system:serviceaccount:"

// locate says where the controller is and how it is configured, as far as that is known.
func (r *reader) locate() (err error) {
	r.home, r.name = cmp.Or(r.facts.namespace, defaultNamespace), account
	if r.settings, err = config.ParseInstalled([]string{"--leader-elect"}, nil); err != nil {
		return err
	}
	if c := r.facts.controller(); c != nil {
		r.home = c.Deployment.Namespace
		r.name = cmp.Or(c.Deployment.Spec.Template.Spec.ServiceAccountName, "default")
		if c.ConfigError == nil {
			r.settings = c.Config
		}
	}
	if r.facts.before {
		r.facts.namespace = r.home
	}
	r.facts.own = r.user == serviceAccountPrefix+r.home+":"+r.name
	return nil
}

func (r *reader) readPods(ctx context.Context) {
	list, err := r.clients.Core.CoreV1().Pods(r.home).List(ctx, metav1.ListOptions{LabelSelector: podSelector})
	if r.facts.pods.err = err; err == nil {
		r.facts.pods.value = list.Items
	}
}

func (r *reader) readLease(ctx context.Context) {
	leases := r.clients.Core.CoordinationV1().Leases(cmp.Or(r.settings.LeaderElectNamespace, r.home))
	lease, err := leases.Get(ctx, cmp.Or(r.settings.LeaderElectName, account), metav1.GetOptions{})
	if r.facts.lease.err = ignoreNotFound(err); err == nil {
		r.facts.lease.value = lease
	}
}

// readAWS reads what shows whether the controller's AWS credentials work.
func (r *reader) readAWS(ctx context.Context) {
	var err error
	if r.facts.account.value, err = r.clients.Core.CoreV1().ServiceAccounts(r.home).Get(ctx, r.name, metav1.GetOptions{}); err != nil {
		r.facts.account = answer[*corev1.ServiceAccount]{err: err}
	}
	namespace := r.settings.Namespace
	events, err := r.clients.Core.CoreV1().Events(namespace).List(ctx, metav1.ListOptions{
		FieldSelector: "type=" + corev1.EventTypeWarning + ",source=" + api.ControllerName,
	})
	if r.facts.warnings.err = err; err == nil {
		r.facts.warnings.value = events.Items
	}
	issued, err := r.clients.Metadata.Resource(corev1.SchemeGroupVersion.WithResource("secrets")).Namespace(namespace).List(ctx, metav1.ListOptions{
		LabelSelector: secrets.Selector(identity.ServiceAccount),
	})
	if r.facts.issued.err = err; err == nil {
		r.facts.issued.value = issued.Items
	}
}

// readOthers reads what else may give pods AWS credentials.
func (r *reader) readOthers(ctx context.Context) {
	daemonSets, err := r.clients.Core.AppsV1().DaemonSets("").List(ctx, metav1.ListOptions{})
	if r.facts.daemonSets.err = err; err == nil {
		r.facts.daemonSets.value = daemonSets.Items
	}
	deployments, err := r.clients.Core.AppsV1().Deployments("").List(ctx, metav1.ListOptions{})
	if r.facts.deployments.err = err; err == nil {
		r.facts.deployments.value = deployments.Items
	}
}

// serverTime returns the time in an answer, the zero Time if there is none.
func serverTime(date string) time.Time {
	at, err := time.Parse(time.RFC1123, date)
	if err != nil {
		return time.Time{}
	}
	return at
}

func ignoreNotFound(err error) error {
	if apierrors.IsNotFound(err) {
		return nil
	}
	return err
}
