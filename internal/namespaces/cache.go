package namespaces

import (
	"errors"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/tools/cache"

	"kube-aws-iam-controller/internal/api"
)

// ruled is what the cache keeps of a namespace that has rules.
type namespaceRules struct {
	name, uid, resourceVersion string
	// rules and what is malformed about them. written is what they were read
	// from, as pairs.
	rules       Rules
	managed     managedPermission
	malformed   string
	annotations [][2]string
	// unknown are keys that look as if they were rules, and are not.
	unknown []string
}

// says says whether anything is said of roles.
func (r *namespaceRules) any() bool { return r.hasRoleRules() || r != nil && r.managed != unspecified }

func (r *namespaceRules) hasRoleRules() bool { return r != nil && len(r.rules) > 0 }

// GetObjectMeta lets the informer's store find the key and resource version.
func (r *namespaceRules) GetObjectMeta() metav1.Object {
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
	if r := parseNamespace(&meta.ObjectMeta); r != nil {
		return r, nil
	}
	return cache.ExplicitKey(meta.Name), nil
}

// read returns the rules of a namespace, nil if it has none.
func parseNamespace(meta *metav1.ObjectMeta) *namespaceRules {
	r := &namespaceRules{name: meta.Name, uid: string(meta.UID), resourceVersion: meta.ResourceVersion}
	for _, key := range []string{api.AllowedRolesAnnotation, api.PermittedAnnotation, api.ManagedRolesAnnotation} {
		if value, has := meta.Annotations[key]; has {
			r.annotations = append(r.annotations, [2]string{key, value})
		}
	}
	for _, key := range unknownKeys(meta.Annotations) {
		r.unknown = append(r.unknown, key)
		r.annotations = append(r.annotations, [2]string{key})
	}
	if r.annotations == nil {
		return nil
	}
	var err1, err2 error
	r.rules, err1 = ParseRules(meta.Annotations)
	r.managed, err2 = parseManagedPermission(meta.Annotations)
	if err := errors.Join(err1, err2); err != nil {
		r.malformed = err.Error()
	}
	return r
}
