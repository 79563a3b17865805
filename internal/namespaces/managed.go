package namespaces

import (
	"context"
	"fmt"

	"kube-aws-iam-controller/internal/api"
	"kube-aws-iam-controller/internal/identity"
)

// managed is what a namespace's annotation says of roles that the controller makes.
type managed int

const (
	// unsaid leaves them to the other rules.
	unsaid managed = iota
	// granted permits them, whatever the other rules say.
	granted
	// denied refuses them.
	denied
)

// parseManaged reads the annotation. Beside an error it returns denied.
func parseManaged(annotations map[string]string) (managed, error) {
	value, has := annotations[api.ManagedRolesAnnotation]
	switch {
	case !has:
		return unsaid, nil
	case value == "true":
		return granted, nil
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
func (s *Source) permitManaged(ctx context.Context, key identity.Key, r *ruled, asked identity.RoleReference) (said bool, err error) {
	if r == nil || r.managed == unsaid || s.Managed == nil || key.Source != identity.ServiceAccount {
		return false, nil
	}
	made, err := s.Managed(ctx, key)
	if err != nil {
		return true, err
	}
	if asked.Partition != made.Partition || asked.Account != made.Account || asked.Name != made.Name { // the path may be one of before
		return false, nil
	}
	if r.managed == granted {
		return true, nil
	}
	return true, refusal(key, fmt.Sprintf(`role '%s', nor any other that is made for its ServiceAccounts: its annotation %s does not permit them. `+
		`Name an existing role in %srole, or have whoever administers the namespace set that to "true" or take it off`, asked, api.ManagedRolesAnnotation, api.Prefix))
}
