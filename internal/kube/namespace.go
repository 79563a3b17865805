package kube

import (
	"context"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/tools/cache"
)

// NamespaceInformer returns an informer of the metadata of one namespace, "" for
// all. It keeps what transform leaves.
//
// To list and watch namespaces is a right in the whole cluster, whatever selects
// one of them. So one is asked for by its own name, in the two ways that a Role
// in it can grant: docs/adr/0006-one-namespace-without-clusterroles.md.
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

// listOf returns a list of one object, or of none if it does not exist. It has no
// resource version: a watch from the object's own would be refused as soon as the
// API server has forgotten that, and one from none begins with the object.
func listOf(obj *metav1.PartialObjectMetadata, err error) (runtime.Object, error) {
	switch {
	case apierrors.IsNotFound(err):
		return &metav1.PartialObjectMetadataList{}, nil
	case err != nil:
		return nil, err
	}
	return &metav1.PartialObjectMetadataList{Items: []metav1.PartialObjectMetadata{*obj}}, nil
}
