package chain

import (
	"context"
	"errors"
	"fmt"

	"kube-aws-iam-controller/internal/api"
	"kube-aws-iam-controller/internal/cli/finding"
	"kube-aws-iam-controller/internal/iamprovision"
	"kube-aws-iam-controller/internal/identity"
	"kube-aws-iam-controller/internal/namespaces"
)

var permissionRules = []rule{
	func(f *Facts) *finding.Finding {
		if _, known := f.Config(); !known {
			return unknown("whether the controller runs with --namespace-restrictions, because its configuration is not known")
		}
		return nil
	},
	func(f *Facts) *finding.Finding {
		if f.Namespace.Value == nil {
			return unknown(f.Namespace.Unknown)
		}
		return nil
	},
	func(f *Facts) *finding.Finding {
		err := f.permit()
		var refused *identity.InvalidError
		switch {
		case err == nil:
			return ok("the namespace may use the role")
		case errors.As(err, &refused):
			return broken(refused.Message, "kubectl get namespace "+f.Key.Namespace+" -o yaml shows its rules: see docs/concepts.md")
		default:
			return unknown(err.Error())
		}
	},
}

// errAccount is why rules cannot be evaluated.
var errAccount = errors.New("whether the rules of the namespace permit the role: the account of the controller's role is not known, " +
	"because it runs with neither --base-role-arn nor --controller-role-arn")

// permit evaluates the rules as the controller does.
func (f *Facts) permit() error {
	cfg, _ := f.Config()
	managed := func(context.Context, identity.Key) (identity.RoleReference, error) { return f.managedRole() }
	rules := namespaces.Config{
		Restrict: cfg.NamespaceRestrictions,
		Managed:  managed,
		Base: func(context.Context) (identity.BaseRole, error) {
			if base, known := f.Base(); known {
				return base, nil
			}
			return identity.BaseRole{}, errAccount
		},
	}
	return rules.PermitIn(context.Background(), &f.Namespace.Value.ObjectMeta, f.Key, func(context.Context) (identity.RoleReference, error) {
		if wantsManagedRole(f) {
			return f.managedRole()
		}
		if role, _ := f.RoleReference(); role.Resolved() {
			return role, nil
		}
		return identity.RoleReference{}, errAccount
	})
}

// managedRole returns the managed role of the ServiceAccount, whether or not it exists.
func (f *Facts) managedRole() (identity.RoleReference, error) {
	cfg, _ := f.Config()
	role, err := identity.ParseRole(f.Principal)
	if err != nil || !role.Resolved() {
		return identity.RoleReference{}, errAccount
	}
	path := cfg.RolePath
	if path == "" {
		path = iamprovision.DefaultPath(cfg.ClusterName)
	}
	return identity.RoleReference{
		Partition: role.Partition, Account: role.Account, Path: path[1:], Name: iamprovision.RoleName(cfg.ClusterName, f.Key),
	}, nil
}

var managedRoleRules = []rule{
	func(f *Facts) *finding.Finding {
		if _, known := f.Config(); !known {
			return unknown("whether the controller makes roles, because its configuration is not known")
		}
		return nil
	},
	func(f *Facts) *finding.Finding {
		if cfg, _ := f.Config(); cfg.ClusterName == "" {
			return broken("the controller runs without --cluster-name, so managed roles are disabled", "have whoever runs the controller set --cluster-name, or name an existing role in "+api.RoleAnnotation)
		}
		return nil
	},
	func(f *Facts) *finding.Finding {
		if cfg, _ := f.Config(); cfg.PermissionsBoundary != "" || cfg.AllowRolesWithoutBoundary {
			return nil
		}
		return broken("the controller runs without --permissions-boundary, so managed roles are disabled",
			"have whoever runs the controller set --permissions-boundary, or name an existing role in "+api.RoleAnnotation)
	},
	func(f *Facts) *finding.Finding {
		cfg, _ := f.Config()
		return ok(fmt.Sprintf("the controller makes %s, at most %d for this namespace", iamprovision.RoleName(cfg.ClusterName, f.Key), cfg.MaxRolesPerNamespace))
	},
}
