package namespaces

import (
	"context"
	"fmt"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"kube-aws-iam-controller/internal/api"
	"kube-aws-iam-controller/internal/identity"
)

// Permit returns nil if an object may use a role, which is asked for, resolved,
// only where there are rules; an *identity.InvalidError if it may not. Another
// error says that this is not known.
func (s *Source) Permit(ctx context.Context, key identity.Key, role func(context.Context) (identity.RoleReference, error)) error {
	r, err := s.rulesFor(ctx, key)
	switch {
	case err != nil:
		return err
	case r.any():
	case s.Restrict:
		return noRules(key)
	default:
		return nil
	}
	asked, err := role(ctx)
	if err != nil {
		return err
	}
	if said, refused := s.permitManaged(ctx, key, r, asked); said {
		return refused
	}
	switch {
	case r.hasRoleRules():
	case s.Restrict:
		return noRules(key)
	default:
		return nil
	}
	base, err := s.Base(ctx)
	if err != nil {
		return err
	}
	if refusing := r.rules.Violation(asked, base); refusing != "" {
		return notPermitted(key, fmt.Sprintf("role '%s': %s", asked, refusing))
	}
	return nil
}

func noRules(key identity.Key) error {
	return notPermitted(key, fmt.Sprintf("any role: it has neither %s nor %s, and this controller runs with --namespace-restrictions. "+
		`Have whoever administers the namespace annotate it with those that it may, such as %s: ["app", "team-a/*"], or with %s: "true" for roles that are made for its ServiceAccounts`,
		api.AllowedRolesAnnotation, api.PermittedAnnotation, api.AllowedRolesAnnotation, api.ManagedRolesAnnotation))
}

func notPermitted(key identity.Key, what string) error {
	return &identity.InvalidError{
		Reason:  api.RoleNotPermitted,
		Message: fmt.Sprintf("The namespace %s may not use %s", key.Namespace, what),
	}
}

// rulesOf returns the rules of a namespace, nil if it has none. The API server
// is asked about one that the cache does not know yet: its first objects may be
// seen before it is.
func (s *Source) rulesFor(ctx context.Context, key identity.Key) (*namespaceRules, error) {
	obj, known, err := s.informer.GetStore().GetByKey(key.Namespace)
	if err == nil && known {
		r, _ := obj.(*namespaceRules)
		return r, nil
	}
	meta, err := s.client.Resource(Resource).Get(ctx, key.Namespace, metav1.GetOptions{})
	switch {
	case apierrors.IsForbidden(err) && key.Source == identity.AWSIAMRole && !s.Restrict:
		// The predecessor's rights do not reach that far, and it knew no rules.
		return nil, nil //nolint:nilnil // none
	case err != nil:
		return nil, fmt.Errorf("read the rules of namespace %s: %w", key.Namespace, err)
	}
	return parseNamespace(&meta.ObjectMeta), nil
}
