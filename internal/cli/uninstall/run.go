package uninstall

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/go-kit/log"
	"github.com/google/uuid"
	"k8s.io/client-go/kubernetes"

	"kube-aws-iam-controller/internal/awserr"
	"kube-aws-iam-controller/internal/iamprovision"
	"kube-aws-iam-controller/internal/identity"
	"kube-aws-iam-controller/internal/kube"
	"kube-aws-iam-controller/internal/leader"
	"kube-aws-iam-controller/internal/setup"
	"kube-aws-iam-controller/internal/sts"
)

// hostPrefix begins the identity of this command in the Lease.
const hostPrefix = "kubectl-aws-iam-uninstall."

// run is one run of the command, with all caches filled.
type run struct {
	*options
	*target

	logger  log.Logger
	fence   *leader.Fence
	clients *kube.Clients // the controller's
	sources *setup.Sources
	iam     *iamprovision.Provisioner
	// workload is nil if there is no controller any more.
	workload *workload
	// host begins the identity of this run in the Lease.
	host         string
	stopWatching func()
}

// prepare connects as the controller, fills the caches of ServiceAccounts and of their
// Secrets, and asks AWS whose the credentials are. It changes nothing. user are the clients
// of whoever runs the command.
func (o *options) prepare(ctx context.Context, user kubernetes.Interface, t *target) (*run, error) {
	watching, stop := context.WithCancel(ctx)
	r := &run{
		options: o, target: t, logger: o.env.Logger(), fence: leader.NewFence(),
		host: hostPrefix + strings.ReplaceAll(uuid.NewString(), "-", "")[:8], stopWatching: stop,
	}
	err := r.connect(ctx)
	if err == nil {
		r.workload = r.newWorkload(user)
		err = r.fillCaches(watching)
	}
	if err == nil {
		err = r.checkAWS(ctx, user)
	}
	if err != nil {
		stop()
		return nil, fmt.Errorf("%w; nothing was changed", err)
	}
	return r, nil
}

// connect makes the clients. Where there is no controller any more, neither are its
// ServiceAccount and its rights.
func (r *run) connect(ctx context.Context) error {
	rest, err := r.env.REST()
	region, home := "", ""
	if r.controller != nil {
		rest, err = r.env.ActingAs(ctx, r.controller.User())
		region, home = r.controller.Env["AWS_REGION"], r.controller.Deployment.Namespace
	}
	if err != nil {
		return err
	}
	r.clients, err = kube.Connect(kube.Options{
		Config: rest, QPS: r.config.KubeAPIQPS, Allowed: r.fence.Check, UserAgent: r.env.UserAgent(), Logger: r.logger,
	})
	if err != nil {
		return err
	}
	assumer, err := setup.NewAssumer(ctx, r.config, home, sts.ConfigOptions{Region: region, Allowed: r.fence.Check}, nil)
	if err != nil {
		return awserr.ForCommand(err)
	}
	if r.sources, err = setup.OpenSources(r.config, r.clients, false, assumer.Base); err != nil {
		return err
	}
	r.iam = setup.NewProvisioner(r.config, r.clients, assumer, r.sources.Accounts.Owners, r.logger)
	return nil
}

func (r *run) newWorkload(user kubernetes.Interface) *workload {
	if r.controller == nil {
		return nil
	}
	namespace := r.controller.Deployment.Namespace
	return &workload{
		deployments: user.AppsV1().Deployments(namespace), pods: user.CoreV1().Pods(namespace),
		deployment: r.controller.Deployment.Name, name: r.controller.Name(), elects: r.elects,
		record: &record{leases: r.clients.Leases(r.config.LeaderElectNamespace), name: r.config.LeaderElectName},
	}
}

func (r *run) fillCaches(ctx context.Context) error {
	if !r.sources.Fill(ctx, identity.ServiceAccount) {
		return errors.New("ServiceAccounts and the metadata of Secrets cannot be listed and watched with the permissions of this command")
	}
	return nil
}

// checkAWS asks AWS whose the credentials are, and compares their account with that of the
// controller's role if the cluster tells.
func (r *run) checkAWS(ctx context.Context, user kubernetes.Interface) error {
	for key := range r.sources.Accounts.Owners() {
		made, err := r.iam.Reference(ctx, key)
		if err != nil {
			return fmt.Errorf("managed roles cannot be released: %w", awserr.ForCommand(err))
		}
		return r.checkAccount(ctx, user, made) // they are all in one account
	}
	return nil
}

func (r *run) checkAccount(ctx context.Context, user kubernetes.Interface, made identity.RoleReference) error {
	if r.controller == nil {
		return nil
	}
	arn, err := r.controller.RoleARN(ctx, user, r.config)
	own, unknown := identity.ParseRole(arn)
	if err != nil || unknown != nil || made.Partition == own.Partition && made.Account == own.Account {
		return nil //nolint:nilerr // the names of roles are compared all the same
	}
	return fmt.Errorf("the AWS credentials of this command are of the account %s, and the controller's role is %s: use credentials of its account", made.Account, own)
}

// plan prints what would be done.
func (r *run) plan(ctx context.Context) error {
	if r.workload != nil {
		scale, err := r.workload.scale(ctx)
		if err != nil {
			return err
		}
		fmt.Fprintf(r.env.Out, "%s: would scale the Deployment from %d to 0\n", r.workload.name, scale.Spec.Replicas)
	}
	return r.uninstaller().Plan(ctx)
}

// leaseName returns namespace and name of the Lease.
func (r *run) leaseName() string {
	return r.config.LeaderElectNamespace + "/" + r.config.LeaderElectName
}
