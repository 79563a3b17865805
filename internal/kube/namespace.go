package kube

import (
	"context"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/tools/cache"
)

// NamespaceInformer returns an informer for the metadata of one namespace, "" for all. It
// caches the result of transform.
//
// Listing namespaces needs a ClusterRole, even with a field selector. A single namespace is
// therefore read with get and with a watch by name, which a Role in that namespace can
// grant: docs/adr/0006-one-namespace-without-clusterroles.md.
func (c *Clients) NamespaceInformer(namespace string, transform cache.TransformFunc) (*Informer, error) {
	resource := corev1.SchemeGroupVersion.WithResource("namespaces")
	if namespace == "" {
		return c.MetadataInformer(resource, "", "", transform)
	}
	watched := resource
	watched.Resource = "watch/namespaces/" + namespace
	return c.newInformer(resource.Resource, &cache.ListWatch{
		ListWithContextFunc: func(ctx context.Context, _ metav1.ListOptions) (runtime.Object, error) {
			obj, err := c.Metadata.Resource(resource).Get(ctx, namespace, metav1.GetOptions{})
			return listOf(obj, err)
		},
		WatchFuncWithContext: c.watchingMetadata.Resource(watched).Watch,
	}, &metav1.PartialObjectMetadata{}, transform)
}

// listOf returns a list of one object, empty if the object does not exist. The list has no
// resource version: a watch from the object's resource version fails once that is
// compacted, whereas a watch without one starts with the object.
func listOf(obj *metav1.PartialObjectMetadata, err error) (runtime.Object, error) {
	switch {
	case apierrors.IsNotFound(err):
		return &metav1.PartialObjectMetadataList{}, nil
	case err != nil:
		return nil, err
	}
	return &metav1.PartialObjectMetadataList{Items: []metav1.PartialObjectMetadata{*obj}}, nil
}
