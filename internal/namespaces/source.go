// Package namespaces tells which roles a namespace may use, by the annotations
// that whoever administers it put on it.
package namespaces

import (
	"context"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/client-go/metadata"
	"k8s.io/client-go/tools/cache"

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
