// Package namespaces determines which roles the objects of a namespace may use,
// from the annotations of the Namespace.
package namespaces

import (
	"context"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/client-go/metadata"
	"k8s.io/client-go/tools/cache"

	"kube-aws-iam-controller/internal/identity"
)

// Resource is the API resource of Namespaces.
var Resource = corev1.SchemeGroupVersion.WithResource("namespaces")

// Config configures a Source.
type Config struct {
	// Restrict denies every role to namespaces without rules.
	Restrict bool
	// Managed returns the managed role of a ServiceAccount, whether or not it
	// exists; nil if managed roles are disabled.
	Managed func(context.Context, identity.Key) (identity.RoleReference, error)
	// Base returns the base that completes role names in rules.
	Base func(context.Context) (identity.BaseRole, error)
}

// A Source evaluates the rules of namespaces.
type Source struct {
	Config
	client   metadata.Interface
	informer cache.SharedIndexInformer
}

// NewSource returns a Source. The informer is a metadata informer with Transform.
func NewSource(client metadata.Interface, informer cache.SharedIndexInformer, config Config) *Source {
	return &Source{Config: config, client: client, informer: informer}
}
