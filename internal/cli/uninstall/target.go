package uninstall

import (
	"context"
	"errors"
	"fmt"

	"k8s.io/client-go/kubernetes"

	"kube-aws-iam-controller/internal/cli/installation"
	"kube-aws-iam-controller/internal/config"
)

// defaultNamespace is where the manifests install the controller.
const defaultNamespace = "kube-system"

// A target is the installation that is to be released.
type target struct {
	// controller is nil if there is none any more.
	controller *installation.Controller
	config     config.Config
	// elects is whether the controller works only while it holds the Lease.
	elects bool
}

// find returns the controller of the flags, or the only one. An explicit namespace is the
// only one that is released. If the controller is gone, the flags have to say of which
// cluster it was.
func (o *options) find(ctx context.Context, client kubernetes.Interface) (*target, error) {
	only := *o.env.Flags.Namespace
	found, err := installation.NewFinder(client, o.env.Version, o.env.ErrOut).Select(ctx, o.named, only)
	switch {
	case errors.Is(err, installation.ErrAbsent) && o.clusterName != "":
		return o.absent(only)
	case errors.Is(err, installation.ErrAbsent):
		return nil, fmt.Errorf("%w. If it is gone already, give the cluster name that it ran with as --cluster-name", err)
	case err != nil:
		return nil, err
	}
	t := &target{controller: found}
	t.config, err = found.Configuration(func(cfg *config.Config) {
		t.elects = cfg.LeaderElect
		o.override(cfg, found.Deployment.Namespace)
	})
	if err == nil && only != "" && t.config.Namespace != only {
		err = fmt.Errorf("the controller %s serves more than the namespace %s, and would create again there what is released: leave out --namespace, "+
			"or remove the annotations of the ServiceAccounts there", found.Name(), only)
	}
	return t, err
}

// absent returns the target for a controller that is gone.
func (o *options) absent(only string) (*target, error) {
	home := defaultNamespace
	if o.named != "" {
		home, _, _ = installation.SplitName(o.named) // it was checked
	}
	cfg, err := config.ParseInstalled(nil, nil)
	if err != nil {
		return nil, err
	}
	o.override(&cfg, home)
	cfg.Namespace = only
	cfg.AllowRolesWithoutBoundary = true // it may have created roles, so they are looked for
	return &target{config: cfg}, cfg.Validate()
}

// override changes the configuration of a controller into that of this command.
func (o *options) override(cfg *config.Config, home string) {
	if o.clusterName != "" {
		cfg.ClusterName = o.clusterName
	}
	if o.rolePath != "" {
		cfg.RolePath = o.rolePath
	}
	if o.assumeRole != nil {
		cfg.AssumeRole = *o.assumeRole
	}
	cfg.CredentialsFile = o.credentialsFile
	if cfg.LeaderElectNamespace == "" {
		cfg.LeaderElectNamespace = home
	}
}
