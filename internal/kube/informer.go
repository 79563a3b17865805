package kube

import (
	"context"
	"fmt"
	"sync/atomic"

	"github.com/go-kit/log"
	"github.com/go-kit/log/level"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/tools/cache"

	"kube-aws-iam-controller/internal/awsiamrole"
)

// MetadataInformer returns an informer for the metadata of one resource in one
// namespace, "" for all. It caches the result of transform.
func (c *Clients) MetadataInformer(resource schema.GroupVersionResource, namespace, selector string, transform cache.TransformFunc) (*Informer, error) {
	return c.metadataInformer(resource, namespace, func(opts *metav1.ListOptions) { opts.LabelSelector = selector }, transform)
}

// NamedInformer returns an informer for changes of one object. It caches only the
// object's identity and resource version. namespace is "" for a cluster-scoped resource.
func (c *Clients) NamedInformer(resource schema.GroupVersionResource, namespace, name string) (*Informer, error) {
	selector := fields.OneTermEqualSelector(metav1.ObjectNameField, name).String()
	return c.metadataInformer(resource, namespace, func(opts *metav1.ListOptions) { opts.FieldSelector = selector }, onlyVersion)
}

// SelectedInformer returns an informer for the objects of a namespace that match a label
// and a field selector. It caches only their identities and resource versions.
func (c *Clients) SelectedInformer(resource schema.GroupVersionResource, namespace, labelled, having string) (*Informer, error) {
	return c.metadataInformer(resource, namespace, func(opts *metav1.ListOptions) {
		opts.LabelSelector, opts.FieldSelector = labelled, having
	}, onlyVersion)
}

// onlyVersion is a transform that keeps identity and resource version.
func onlyVersion(obj any) (any, error) {
	meta, ok := obj.(*metav1.PartialObjectMetadata)
	if !ok {
		return obj, nil
	}
	return &metav1.PartialObjectMetadata{TypeMeta: meta.TypeMeta, ObjectMeta: metav1.ObjectMeta{
		Namespace: meta.Namespace, Name: meta.Name, UID: meta.UID, ResourceVersion: meta.ResourceVersion,
	}}, nil
}

func (c *Clients) metadataInformer(
	resource schema.GroupVersionResource, namespace string, selectObjects func(*metav1.ListOptions), transform cache.TransformFunc,
) (*Informer, error) {
	client := c.watchingMetadata.Resource(resource).Namespace(namespace)
	return c.newInformer(resource.Resource, &cache.ListWatch{
		ListWithContextFunc: func(ctx context.Context, opts metav1.ListOptions) (runtime.Object, error) {
			selectObjects(&opts)
			return client.List(ctx, opts)
		},
		WatchFuncWithContext: func(ctx context.Context, opts metav1.ListOptions) (watch.Interface, error) {
			selectObjects(&opts)
			return client.Watch(ctx, opts)
		},
	}, &metav1.PartialObjectMetadata{}, transform)
}

// RoleInformer returns an informer for the AWSIAMRoles in one namespace, "" for all.
func (c *Clients) RoleInformer(namespace string) (*Informer, error) {
	client := c.watchingRoles.Namespace(namespace)
	return c.newInformer(awsiamrole.Resource.Resource, &cache.ListWatch{
		ListWithContextFunc: func(ctx context.Context, opts metav1.ListOptions) (runtime.Object, error) {
			return client.List(ctx, opts)
		},
		WatchFuncWithContext: client.Watch,
	}, &awsiamrole.AWSIAMRole{}, awsiamrole.Transform)
}

// An Informer is a shared informer that records whether the API server refuses its watch.
type Informer struct {
	cache.SharedIndexInformer

	resource string
	logger   log.Logger
	refused  atomic.Pointer[error]
	refusal  chan struct{} // closed on the first refusal
}

func (c *Clients) newInformer(resource string, lw cache.ListerWatcher, example runtime.Object, transform cache.TransformFunc) (*Informer, error) {
	i := &Informer{
		// No indexers and no resync: objects are looked up by name only, and no handler
		// relies on polling.
		SharedIndexInformer: cache.NewSharedIndexInformer(lw, example, 0, cache.Indexers{}),
		resource:            resource,
		logger:              c.logger,
		refusal:             make(chan struct{}),
	}
	if err := i.SetTransform(transform); err != nil {
		return nil, fmt.Errorf("make an informer of %s: %w", resource, err)
	}
	if err := i.SetWatchErrorHandlerWithContext(i.noteRefusal); err != nil {
		return nil, fmt.Errorf("make an informer of %s: %w", resource, err)
	}
	return i, nil
}

// noteRefusal records that the API server forbids the watch or does not have the resource.
// The informer retries with backoff.
func (i *Informer) noteRefusal(ctx context.Context, r *cache.Reflector, err error) {
	if !apierrors.IsForbidden(err) && !apierrors.IsNotFound(err) {
		cache.DefaultWatchErrorHandler(ctx, r, err)
		return
	}
	if i.refused.Swap(&err) == nil {
		close(i.refusal)
		level.Warn(i.logger).Log("msg", "not served until the API server allows it", "resource", i.resource, "err", err)
	}
}

// Ready returns nil once the informer has synced.
func (i *Informer) Ready() error {
	if i.HasSynced() {
		return nil
	}
	return fmt.Errorf("cache of %s is not filled yet", i.resource)
}

// Refused reports whether the API server forbids the watch or does not have the resource.
// The controller then runs without that resource, such as in a cluster without the
// AWSIAMRole CRD.
func (i *Informer) Refused() bool { return !i.HasSynced() && i.refused.Load() != nil }

// AwaitSettled waits until the informer has synced or was refused. It returns false if ctx
// is done first.
func (i *Informer) AwaitSettled(ctx context.Context) bool {
	select {
	case <-i.HasSyncedChecker().Done():
		return true
	case <-i.refusal:
		return true
	case <-ctx.Done():
		return false
	}
}
