package namespaces

import (
	"context"
	"fmt"

	"kube-aws-iam-controller/internal/api"
	"kube-aws-iam-controller/internal/identity"
)

// managed is what a namespace's annotation says of roles that the controller makes.
type managedPermission int

const (
	// unsaid leaves them to the other rules.
	unspecified managedPermission = iota
	// granted permits them, whatever the other rules say.
	allowed
	// denied refuses them.
	denied
)

// parseManaged reads the annotation. Beside an error it returns denied.
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
		return denied, fmt.Errorf(`%s: %s is neither "true" nor "false". Until it is corrected, this namespace may have no roles made`, api.ManagedRolesAnnotation, identity.Quote(value))
	}
}

// permitManaged returns nil where the annotation permits a role that is made for an
// object, and an *identity.InvalidError where it refuses it. said is false where the
// other rules decide: the role is not one that is made for it, or nothing is said of
// those.
func (s *Source) permitManaged(ctx context.Context, key identity.Key, r *namespaceRules, asked identity.RoleReference) (said bool, err error) {
	if r == nil || r.managed == unspecified || s.Managed == nil || key.Source != identity.ServiceAccount {
		return false, nil
	}
	made, err := s.Managed(ctx, key)
	if err != nil {
		return true, err
	}
	if asked.Partition != made.Partition || asked.Account != made.Account || asked.Name != made.Name { // the path may be one of before
		return false, nil
	}
	if r.managed == allowed {
		return true, nil
	}
	return true, notPermitted(key, fmt.Sprintf(`role '%s', nor any other that is made for its ServiceAccounts: its annotation %s does not permit them. `+
		`Name an existing role in %srole, or have whoever administers the namespace set that to "true" or take it off`, asked, api.ManagedRolesAnnotation, api.Prefix))
}
