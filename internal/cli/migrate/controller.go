package migrate

import (
	"context"
	"fmt"

	"kube-aws-iam-controller/internal/cli/command"
	"kube-aws-iam-controller/internal/cli/installation"
	"kube-aws-iam-controller/internal/cli/migrate/convert"
	"kube-aws-iam-controller/internal/identity"
	"kube-aws-iam-controller/internal/trust"
)

// settings are what the conversion has to know of the controller.
type settings struct {
	// principal is its role, cluster the name of the cluster, passed are actions that
	// roles have to allow besides. base completes names of roles.
	principal, cluster string
	passed             []string
	base               *identity.BaseRole
	// defaultRegion is that of ServiceAccounts without one.
	defaultRegion string
	// namespace is that of objects that name none.
	namespace string
}

// askController completes the settings from the controller in the cluster. Flags take
// precedence. What cannot be determined becomes a finding.
func (o *options) askController(ctx context.Context, clients *command.Clients, namespace string) []convert.Finding {
	seen, err := installation.NewFinder(clients.Core, o.env.Version, o.env.ErrOut).Anywhere(ctx, namespace)
	found := seen.Controllers
	if err == nil && len(found) == 0 {
		err = seen.Hidden
	}
	switch {
	case err != nil:
		return []convert.Finding{{Message: fmt.Sprintf("the settings of the controller are not known, give --cluster-name and --controller-role-arn: %v", err)}}
	case len(found) == 0:
		return []convert.Finding{{Message: "no controller is in the cluster yet: give the --cluster-name and --controller-role-arn that it is to have"}}
	case len(found) != 1:
		return []convert.Finding{{Message: fmt.Sprintf("there are %d controllers in the cluster: give --cluster-name and --controller-role-arn for the one that is meant", len(found))}}
	case found[0].ConfigError != nil:
		return []convert.Finding{{Message: found[0].ConfigError.Error() + ": give --cluster-name and --controller-role-arn"}}
	}
	config := found[0].Config
	s := &o.controllers
	if s.cluster == "" {
		s.cluster = config.ClusterName
	}
	if role, unknown := found[0].RoleARN(ctx, clients.Core, config); s.principal == "" && unknown == nil {
		s.principal = role
	}
	s.defaultRegion = config.DefaultRegion
	if config.AllowSourceIdentity {
		s.passed = []string{trust.SourceIdentity}
	}
	if base, baseErr := identity.ParseBaseRole(config.BaseRoleARN); s.base == nil && baseErr == nil {
		s.base = &base
	}
	return nil
}
