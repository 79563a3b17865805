package serviceaccount

import (
	"iter"
	"slices"
	"unique"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/tools/cache"

	"kube-aws-iam-controller/internal/api"
	"kube-aws-iam-controller/internal/identity"
)

// account is what the cache keeps of a ServiceAccount that requests an identity, or
// appears to be meant to.
type account struct {
	namespace, name, uid, resourceVersion string
	// annotations are the ones in readAnnotations, as pairs of key and value: a map
	// would take several times the memory. Long values are replaced, see
	// limitAnnotation.
	annotations [][2]string
	// unknown are keys that look like ours but are not read, see unknownKeys.
	unknown []string
	// hasFinalizer reports our finalizer, deleting a deletion timestamp.
	hasFinalizer, deleting bool
	// skipped reports that the admission policy skips its pods, see Skipped.
	skipped bool
}

// GetObjectMeta provides the key and the resource version to the informer's store.
func (a *account) GetObjectMeta() metav1.Object {
	return &metav1.ObjectMeta{
		Namespace: a.namespace, Name: a.name, UID: types.UID(a.uid), ResourceVersion: a.resourceVersion,
	}
}

func (a *account) annotationMap() map[string]string {
	m := make(map[string]string, len(a.annotations))
	for _, pair := range a.annotations {
		m[pair[0]] = pair[1]
	}
	return m
}

// requestsIdentity reports whether the ServiceAccount requests an identity and is
// not being deleted.
func (a *account) requestsIdentity() bool { return !a.deleting && requestsIdentity(a.annotationMap()) }

// Transform reduces a ServiceAccount to what the informer caches: an *account, or
// only the key of one that requests nothing, which nearly all do. Objects that it
// returned before are left unchanged, as informers require.
func (r Annotations) Transform(obj any) (any, error) {
	meta, ok := obj.(*metav1.PartialObjectMetadata)
	if !ok {
		return obj, nil
	}
	hasFinalizer := slices.Contains(meta.Finalizers, api.Finalizer)
	unknown, effective := r.unknownKeys(meta.Annotations), r.effective(meta.Annotations)
	if !hasFinalizer && len(unknown) == 0 && !hasAny(effective, readAnnotations) {
		return cache.ExplicitKey(meta.Namespace + "/" + meta.Name), nil
	}
	a := &account{
		namespace: unique.Make(meta.Namespace).Value(), // one copy for all
		name:      meta.Name, uid: string(meta.UID), resourceVersion: meta.ResourceVersion,
		unknown: unknown, hasFinalizer: hasFinalizer, deleting: meta.DeletionTimestamp != nil,
		skipped: skippedByAdmission(meta.Labels, effective),
	}
	for _, key := range readAnnotations {
		if value, has := effective[key]; has {
			a.annotations = append(a.annotations, limitAnnotation(key, value)...)
		}
	}
	a.annotations = slices.Clip(a.annotations)
	return a, nil
}

// Keys yields every ServiceAccount that requests an identity, from the cache.
func (s *Source) Keys() iter.Seq[identity.Key] { return s.keys((*account).requestsIdentity) }

// Releasing yields, from the cache, every ServiceAccount that requests nothing any more,
// or is being deleted, and still has our finalizer: its role has not been released.
func (s *Source) Releasing() iter.Seq[identity.Key] {
	return s.keys(func(a *account) bool { return a.hasFinalizer && !a.requestsIdentity() })
}

// Owners yields, from the cache, every ServiceAccount that requests a managed role
// or has our finalizer, so that a role may exist for it.
func (s *Source) Owners() iter.Seq[identity.Key] {
	return s.keys(func(a *account) bool {
		return a.hasFinalizer || a.requestsIdentity() && requestsManagedRole(a.annotationMap())
	})
}

func (s *Source) keys(which func(*account) bool) iter.Seq[identity.Key] {
	return func(yield func(identity.Key) bool) {
		for _, obj := range s.informer.GetStore().List() {
			if a, ok := obj.(*account); ok && which(a) &&
				!yield(identity.Key{Source: identity.ServiceAccount, Namespace: a.namespace, Name: a.name}) {
				return
			}
		}
	}
}
