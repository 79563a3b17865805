package namespaces

import (
	"errors"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/tools/cache"
)

// namespaceRules is what the cache keeps of a namespace with rules.
type namespaceRules struct {
	name, uid, resourceVersion string

	rules   Rules
	managed managedPermission
	// malformed is what is wrong with the annotations, "" for nothing.
	malformed string
	// annotations are the pairs of key and value that were parsed.
	annotations [][2]string
	// unknown are keys that look like rules but are not.
	unknown []string
}

// any reports whether the namespace has a rule of any kind.
func (r *namespaceRules) any() bool { return r.hasRoleRules() || r != nil && r.managed != unspecified }

func (r *namespaceRules) hasRoleRules() bool { return r != nil && len(r.rules) > 0 }

// GetObjectMeta provides the key and the resource version to the informer's store.
func (r *namespaceRules) GetObjectMeta() metav1.Object {
	return &metav1.ObjectMeta{Name: r.name, UID: types.UID(r.uid), ResourceVersion: r.resourceVersion}
}

// Transform reduces a Namespace to what the informer caches: its rules, or only its
// key if it has none. Objects that it returned before are left unchanged, as
// informers require.
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

// parseNamespace returns the rules of a namespace, nil if it has none.
func parseNamespace(meta *metav1.ObjectMeta) *namespaceRules {
	r := &namespaceRules{name: meta.Name, uid: string(meta.UID), resourceVersion: meta.ResourceVersion}
	for _, key := range readAnnotations {
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
