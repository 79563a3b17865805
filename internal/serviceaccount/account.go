package serviceaccount

import (
	"iter"
	"slices"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/tools/cache"

	"kube-aws-iam-controller/internal/api"
	"kube-aws-iam-controller/internal/identity"
)

// account is what the cache keeps of a ServiceAccount that asks for something, or
// seems to be meant to.
type account struct {
	namespace, name, uid, resourceVersion string
	// annotations are those in readAnnotations that are there, as pairs: a
	// map would be several times their size. See bounded for what is too long.
	annotations [][2]string
	// unknown are keys that seem to be meant for us and are not read, see
	// unknownKeys.
	unknown []string
	// held says that our finalizer is on it, leaving that it is being deleted.
	hasFinalizer, deleting bool
	// hidden says that the admission policy passes over it.
	skipped bool
}

// GetObjectMeta lets the informer's store find the key and resource version.
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

// asksNow says whether the ServiceAccount asks for an identity.
func (a *account) requestsIdentity() bool { return !a.deleting && requestsIdentity(a.annotationMap()) }

// Transform returns what the informer of ServiceAccounts keeps of an object:
// of one that asks for nothing, which is nearly all of them, only that it is
// there. It leaves alone what it made before, as informers demand.
func Transform(obj any) (any, error) {
	meta, ok := obj.(*metav1.PartialObjectMetadata)
	if !ok {
		return obj, nil
	}
	held := slices.Contains(meta.Finalizers, api.Finalizer)
	unknown := unknownKeys(meta.Annotations)
	if !held && len(unknown) == 0 && !slices.ContainsFunc(readAnnotations, func(key string) bool { _, has := meta.Annotations[key]; return has }) {
		return cache.ExplicitKey(meta.Namespace + "/" + meta.Name), nil
	}
	a := &account{
		namespace: meta.Namespace, name: meta.Name, uid: string(meta.UID), resourceVersion: meta.ResourceVersion,
		unknown: unknown, hasFinalizer: held, deleting: meta.DeletionTimestamp != nil,
		skipped: skippedByAdmission(meta),
	}
	for _, key := range readAnnotations {
		if value, has := meta.Annotations[key]; has {
			a.annotations = append(a.annotations, limitAnnotation(key, value)...)
		}
	}
	a.annotations = slices.Clip(a.annotations)
	return a, nil
}

// Keys yields every ServiceAccount that asks for something.
func (s *Source) Keys() iter.Seq[identity.Key] { return s.keys((*account).requestsIdentity) }

// Owners yields every ServiceAccount that asks for a role of its own, or for
// which one may have been made.
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
