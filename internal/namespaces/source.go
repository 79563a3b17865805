// Package namespaces tells which roles a namespace may use, by the annotations
// that whoever administers it put on it.
package namespaces

import (
	"context"
	"errors"
	"fmt"
	"slices"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/metadata"
	"k8s.io/client-go/tools/cache"

	"kube-aws-iam-controller/internal/api"
	"kube-aws-iam-controller/internal/identity"
)

// Resource is what the API server serves Namespaces as.
var Resource = corev1.SchemeGroupVersion.WithResource("namespaces")

// Config says what a Source needs to know beside the namespaces.
type Config struct {
	// Restrict lets a namespace without rules use no role.
	Restrict bool
	// Managed returns the role that would be made for a ServiceAccount. nil is for
	// none.
	Managed func(context.Context, identity.Key) (identity.RoleReference, error)
	// Base returns where role names in rules are looked up.
	Base func(context.Context) (identity.BaseRole, error)
}

// A Source knows the rules of namespaces.
type Source struct {
	Config
	client   metadata.Interface
	informer cache.SharedIndexInformer
}

// NewSource returns a Source. The informer is one of metadata, made with
// Transform.
func NewSource(client metadata.Interface, informer cache.SharedIndexInformer, config Config) *Source {
	return &Source{Config: config, client: client, informer: informer}
}

// ruled is what the cache keeps of a namespace that has rules.
type ruled struct {
	name, uid, resourceVersion string
	// rules and what is malformed about them. written is what they were read
	// from, as pairs.
	rules     Rules
	managed   managed
	malformed string
	written   [][2]string
	// unknown are keys that look as if they were rules, and are not.
	unknown []string
}

// says says whether anything is said of roles.
func (r *ruled) says() bool { return r.hasRules() || r != nil && r.managed != unsaid }

func (r *ruled) hasRules() bool { return r != nil && len(r.rules) > 0 }

// GetObjectMeta lets the informer's store find the key and resource version.
func (r *ruled) GetObjectMeta() metav1.Object {
	return &metav1.ObjectMeta{Name: r.name, UID: types.UID(r.uid), ResourceVersion: r.resourceVersion}
}

// Transform returns what the informer of Namespaces keeps of an object: of one
// without rules only that it is there. It leaves alone what it made before, as
// informers demand.
func Transform(obj any) (any, error) {
	meta, ok := obj.(*metav1.PartialObjectMetadata)
	if !ok {
		return obj, nil
	}
	if r := read(&meta.ObjectMeta); r != nil {
		return r, nil
	}
	return cache.ExplicitKey(meta.Name), nil
}

// read returns the rules of a namespace, nil if it has none.
func read(meta *metav1.ObjectMeta) *ruled {
	r := &ruled{name: meta.Name, uid: string(meta.UID), resourceVersion: meta.ResourceVersion}
	for _, key := range []string{api.AllowedRolesAnnotation, api.PermittedAnnotation, api.ManagedRolesAnnotation} {
		if value, has := meta.Annotations[key]; has {
			r.written = append(r.written, [2]string{key, value})
		}
	}
	for _, key := range unknownKeys(meta.Annotations) {
		r.unknown = append(r.unknown, key)
		r.written = append(r.written, [2]string{key})
	}
	if r.written == nil {
		return nil
	}
	var err1, err2 error
	r.rules, err1 = ParseRules(meta.Annotations)
	r.managed, err2 = parseManaged(meta.Annotations)
	if err := errors.Join(err1, err2); err != nil {
		r.malformed = err.Error()
	}
	return r
}

// Permit returns nil if an object may use a role, which is asked for, resolved,
// only where there are rules; an *identity.InvalidError if it may not. Another
// error says that this is not known.
func (s *Source) Permit(ctx context.Context, key identity.Key, role func(context.Context) (identity.RoleReference, error)) error {
	r, err := s.rulesOf(ctx, key)
	switch {
	case err != nil:
		return err
	case r.says():
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
	case r.hasRules():
	case s.Restrict:
		return noRules(key)
	default:
		return nil
	}
	base, err := s.Base(ctx)
	if err != nil {
		return err
	}
	if refusing := r.rules.Refusing(asked, base); refusing != "" {
		return refusal(key, fmt.Sprintf("role '%s': %s", asked, refusing))
	}
	return nil
}

func noRules(key identity.Key) error {
	return refusal(key, fmt.Sprintf("any role: it has neither %s nor %s, and this controller runs with --namespace-restrictions. "+
		`Have whoever administers the namespace annotate it with those that it may, such as %s: ["app", "team-a/*"], or with %s: "true" for roles that are made for its ServiceAccounts`,
		api.AllowedRolesAnnotation, api.PermittedAnnotation, api.AllowedRolesAnnotation, api.ManagedRolesAnnotation))
}

func refusal(key identity.Key, what string) error {
	return &identity.InvalidError{
		Reason:  api.RoleNotPermitted,
		Message: fmt.Sprintf("The namespace %s may not use %s", key.Namespace, what),
	}
}

// rulesOf returns the rules of a namespace, nil if it has none. The API server
// is asked about one that the cache does not know yet: its first objects may be
// seen before it is.
func (s *Source) rulesOf(ctx context.Context, key identity.Key) (*ruled, error) {
	obj, known, err := s.informer.GetStore().GetByKey(key.Namespace)
	if err == nil && known {
		r, _ := obj.(*ruled)
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
	return read(&meta.ObjectMeta), nil
}

// A Namespace is one whose rules changed.
type Namespace struct {
	Name, UID string
	// Malformed says what is wrong with them, "" for nothing.
	Malformed string
	// Unknown says which annotations look like rules and have no effect, "" for
	// none.
	Unknown string
}

// Watch calls changed for every namespace that has rules, and again whenever
// they change.
func (s *Source) Watch(changed func(Namespace)) error {
	_, err := s.informer.AddEventHandler(cache.ResourceEventHandlerFuncs{
		AddFunc: func(obj any) {
			if r, ok := obj.(*ruled); ok {
				changed(r.changed())
			}
		},
		UpdateFunc: func(old, cur any) {
			before, _ := old.(*ruled)
			after, _ := cur.(*ruled)
			switch {
			case after != nil && (before == nil || !slices.Equal(before.written, after.written)):
				changed(after.changed())
			case after == nil && before != nil:
				changed(Namespace{Name: before.name, UID: before.uid})
			}
		},
	})
	if err != nil {
		return fmt.Errorf("watch Namespaces: %w", err)
	}
	return nil
}

func (r *ruled) changed() Namespace {
	return Namespace{Name: r.name, UID: r.uid, Malformed: r.malformed, Unknown: describeUnknown(r.unknown)}
}
