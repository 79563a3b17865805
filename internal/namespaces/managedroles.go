package namespaces

import (
	"context"
	"fmt"

	"kube-aws-iam-controller/internal/api"
	"kube-aws-iam-controller/internal/identity"
)

// managedPermission is what a namespace's annotation managed-roles says about roles
// that the controller creates.
type managedPermission int

// The possible permissions.
const (
	// unspecified leaves the decision to the other rules.
	unspecified managedPermission = iota
	// allowed permits managed roles regardless of the other rules.
	allowed
	// denied forbids managed roles regardless of the other rules.
	denied
	// malformed is denied, but for roles that have credentials already.
	malformed
)

// parseManagedPermission parses the annotation. Together with an error it returns
// malformed.
func parseManagedPermission(annotations map[string]string) (managedPermission, error) {
	value, has := annotations[api.ManagedRolesAnnotation]
	switch {
	case !has:
		return unspecified, nil
	case value == "true":
		return allowed, nil
	case value == "false":
		return denied, nil
	default:
		return malformed, fmt.Errorf(`%s: %s is neither "true" nor "false". Until it is corrected, no managed roles are created in this namespace`, api.ManagedRolesAnnotation, identity.Quote(value))
	}
}

// permitManaged decides by the annotation managed-roles whether an object may use
// its managed role, and then returns nil or an *identity.InvalidError. decided is
// false if the other rules apply: the namespace does not have the annotation, or
// the role is not the object's managed role.
func (c Config) permitManaged(ctx context.Context, key identity.Key, r *namespaceRules, role identity.RoleReference) (decided bool, err error) {
	if r == nil || r.managed == unspecified || c.Managed == nil || key.Source != identity.ServiceAccount {
		return false, nil
	}
	managed, err := c.Managed(ctx, key)
	if err != nil {
		return true, err
	}
	if role.Partition != managed.Partition || role.Account != managed.Account || role.Name != managed.Name { // the path is not compared, because --role-path may have changed
		return false, nil
	}
	if r.managed == allowed {
		return true, nil
	}
	refusal := notPermitted(key, fmt.Sprintf(`role '%s', nor any other managed role: its annotation %s does not permit them. `+
		`Name an existing role in %srole, or have whoever administers the namespace set that to "true" or take it off`, role, api.ManagedRolesAnnotation, api.Prefix))
	refusal.RuleMalformed = r.managed == malformed
	return true, refusal
}
