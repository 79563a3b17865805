package namespaces

import (
	"context"
	"fmt"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"kube-aws-iam-controller/internal/api"
	"kube-aws-iam-controller/internal/identity"
)

// Permit returns nil if an object may use a role, and an *identity.InvalidError if
// it may not. Any other error means that this could not be determined. role returns
// the resolved role; it is called only if the namespace has rules.
func (s *Source) Permit(ctx context.Context, key identity.Key, role func(context.Context) (identity.RoleReference, error)) error {
	r, err := s.rulesFor(ctx, key)
	if err != nil {
		return err
	}
	return s.permit(ctx, key, r, role)
}

// PermitIn is Permit for a process that has no cache of Namespaces.
func (c Config) PermitIn(
	ctx context.Context, namespace *metav1.ObjectMeta, key identity.Key, role func(context.Context) (identity.RoleReference, error),
) error {
	return c.permit(ctx, key, parseNamespace(namespace), role)
}

func (c Config) permit(ctx context.Context, key identity.Key, r *namespaceRules, role func(context.Context) (identity.RoleReference, error)) error {
	if !r.any() {
		return c.permitWithoutRules(key)
	}
	asked, err := role(ctx)
	if err != nil {
		return err
	}
	decided, err := c.permitManaged(ctx, key, r, asked)
	if decided {
		return err
	}
	if !r.hasRoleRules() {
		return c.permitWithoutRules(key)
	}
	base, err := c.Base(ctx)
	if err != nil {
		return err
	}
	why, malformed := r.rules.Violation(asked, base)
	if why == "" {
		return nil
	}
	refusal := notPermitted(key, fmt.Sprintf("role '%s': %s", asked, why))
	refusal.RuleMalformed = malformed
	return refusal
}

// permitWithoutRules decides for a role to which no rule of the namespace applies.
func (c Config) permitWithoutRules(key identity.Key) error {
	if c.Restrict {
		return noRules(key)
	}
	return nil
}

func noRules(key identity.Key) error {
	return notPermitted(key, fmt.Sprintf("any role: it has neither %s nor %s, and this controller runs with --namespace-restrictions. "+
		`Have whoever administers the namespace annotate it with those that it may, such as %s: ["app", "team-a/*"], or with %s: "true" for managed roles`,
		api.AllowedRolesAnnotation, api.PermittedAnnotation, api.AllowedRolesAnnotation, api.ManagedRolesAnnotation))
}

func notPermitted(key identity.Key, what string) *identity.InvalidError {
	return &identity.InvalidError{
		Reason:  api.RoleNotPermitted,
		Message: fmt.Sprintf("The namespace %s may not use %s", key.Namespace, what),
	}
}

// rulesFor returns the rules of the namespace of key, nil if it has none. A
// namespace missing from the cache is read from the API server, because its first
// objects may be seen before it is.
func (s *Source) rulesFor(ctx context.Context, key identity.Key) (*namespaceRules, error) {
	obj, known, err := s.informer.GetStore().GetByKey(key.Namespace)
	if err == nil && known {
		r, _ := obj.(*namespaceRules)
		return r, nil
	}
	meta, err := s.client.Resource(Resource).Get(ctx, key.Namespace, metav1.GetOptions{})
	switch {
	case apierrors.IsForbidden(err) && key.Source == identity.AWSIAMRole && !s.Restrict:
		// The predecessor's RBAC rules do not include Namespaces, and it had no such restrictions.
		return nil, nil //nolint:nilnil // none
	case err != nil:
		return nil, fmt.Errorf("read the rules of namespace %s: %w", key.Namespace, err)
	}
	return parseNamespace(&meta.ObjectMeta), nil
}
