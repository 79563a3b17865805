package serviceaccount

import (
	"slices"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/tools/cache"

	"kube-aws-iam-controller/internal/api"
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
	held, leaving bool
	// hidden says that the admission policy passes over it.
	hidden bool
}

// GetObjectMeta lets the informer's store find the key and resource version.
func (a *account) GetObjectMeta() metav1.Object {
	return &metav1.ObjectMeta{
		Namespace: a.namespace, Name: a.name, UID: types.UID(a.uid), ResourceVersion: a.resourceVersion,
	}
}

func (a *account) asked() map[string]string {
	m := make(map[string]string, len(a.annotations))
	for _, pair := range a.annotations {
		m[pair[0]] = pair[1]
	}
	return m
}

// asksNow says whether the ServiceAccount asks for an identity.
func (a *account) asksNow() bool { return !a.leaving && asks(a.asked()) }

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
		unknown: unknown, held: held, leaving: meta.DeletionTimestamp != nil,
		hidden: hidden(meta),
	}
	for _, key := range readAnnotations {
		if value, has := meta.Annotations[key]; has {
			a.annotations = append(a.annotations, bounded(key, value)...)
		}
	}
	a.annotations = slices.Clip(a.annotations)
	return a, nil
}
