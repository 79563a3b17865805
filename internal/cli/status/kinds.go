package status

import (
	"context"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/metadata"

	"kube-aws-iam-controller/internal/api"
	"kube-aws-iam-controller/internal/awsiamrole"
	"kube-aws-iam-controller/internal/cli/command"
	"kube-aws-iam-controller/internal/serviceaccount"
)

// A kind is one of the kinds of objects that identities are derived from.
type kind struct {
	// name is that of the kind in messages, in the plural.
	name string
	// optional reports that the kind need not be installed.
	optional bool
	// example is an empty object of the kind.
	example runtime.Object
	options metav1.ListOptions
	list    func(context.Context, metav1.ListOptions) (runtime.Object, error)
	watch   func(context.Context, metav1.ListOptions) (watch.Interface, error)
}

// The names of kinds.
const (
	accountsKind = "ServiceAccounts"
	secretsKind  = "Secrets"
	rolesKind    = "AWSIAMRoles"
	eventsKind   = "Events"
)

// scope says which identities are shown.
type scope struct {
	// namespace is "" for all.
	namespace string
	// selector is a label selector for the objects that request identities.
	selector string
}

// kinds returns the kinds in a scope. Of ServiceAccounts and Secrets only the metadata is
// read, so credentials never arrive here. All Secrets are listed, whatever their labels,
// because one that is not the controller's may be in its way.
func kinds(clients *command.Clients, s scope) []kind {
	selected := metav1.ListOptions{LabelSelector: s.selector}
	roles := clients.Roles.Namespace(s.namespace)
	events := clients.Core.CoreV1().Events(s.namespace)
	return []kind{
		metadataKind(accountsKind, clients.Metadata, serviceaccount.Resource, s.namespace, selected),
		metadataKind(secretsKind, clients.Metadata, corev1.SchemeGroupVersion.WithResource("secrets"), s.namespace, metav1.ListOptions{}),
		{
			name: rolesKind, optional: true, example: &awsiamrole.AWSIAMRole{}, options: selected,
			list:  func(ctx context.Context, o metav1.ListOptions) (runtime.Object, error) { return roles.List(ctx, o) },
			watch: roles.Watch,
		},
		{
			name: eventsKind, example: &corev1.Event{},
			options: metav1.ListOptions{FieldSelector: "type=" + corev1.EventTypeWarning + ",source=" + api.ControllerName},
			list:    func(ctx context.Context, o metav1.ListOptions) (runtime.Object, error) { return events.List(ctx, o) },
			watch:   events.Watch,
		},
	}
}

func metadataKind(name string, client metadata.Interface, resource schema.GroupVersionResource, namespace string, options metav1.ListOptions) kind {
	objects := client.Resource(resource).Namespace(namespace)
	return kind{
		name: name, example: &metav1.PartialObjectMetadata{}, options: options,
		list:  func(ctx context.Context, o metav1.ListOptions) (runtime.Object, error) { return objects.List(ctx, o) },
		watch: objects.Watch,
	}
}
