package migrate

import (
	"bytes"
	"context"
	"fmt"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/tools/pager"
	"sigs.k8s.io/yaml"

	"kube-aws-iam-controller/internal/cli/migrate/convert"
	"kube-aws-iam-controller/internal/cli/migrate/manifest"
)

// A resource is a kind of objects that are read from the cluster.
type resource struct {
	schema.GroupVersionResource

	clusterScoped bool
}

// resources are read in this order, which is that of the output.
var resources = []resource{
	{schema.GroupVersionResource{Version: "v1", Resource: "namespaces"}, true},
	{schema.GroupVersionResource{Version: "v1", Resource: "serviceaccounts"}, false},
	{schema.GroupVersionResource{Group: "rbac.authorization.k8s.io", Version: "v1", Resource: "rolebindings"}, false},
	{schema.GroupVersionResource{Group: "rbac.authorization.k8s.io", Version: "v1", Resource: "clusterrolebindings"}, true},
	{schema.GroupVersionResource{Group: "zalando.org", Version: "v1", Resource: "awsiamroles"}, false},
	{schema.GroupVersionResource{Group: "apps", Version: "v1", Resource: "deployments"}, false},
	{schema.GroupVersionResource{Group: "apps", Version: "v1", Resource: "statefulsets"}, false},
	{schema.GroupVersionResource{Group: "apps", Version: "v1", Resource: "daemonsets"}, false},
	{schema.GroupVersionResource{Group: "apps", Version: "v1", Resource: "replicasets"}, false},
	{schema.GroupVersionResource{Version: "v1", Resource: "replicationcontrollers"}, false},
	{schema.GroupVersionResource{Group: "batch", Version: "v1", Resource: "cronjobs"}, false},
	{schema.GroupVersionResource{Group: "batch", Version: "v1", Resource: "jobs"}, false},
	{schema.GroupVersionResource{Version: "v1", Resource: "pods"}, false},
}

// readCluster returns the objects of the cluster as one file without a name. What may
// not be read becomes a finding.
func (o *options) readCluster(ctx context.Context) ([]*manifest.File, []convert.Finding, error) {
	clients, err := o.env.Clients()
	if err != nil {
		return nil, nil, err
	}
	config, err := o.env.REST()
	if err != nil {
		return nil, nil, err
	}
	client, err := dynamic.NewForConfig(config)
	if err != nil {
		return nil, nil, fmt.Errorf("make client: %w", err)
	}
	namespace := metav1.NamespaceAll
	if !o.allNamespaces {
		if namespace, err = o.env.Namespace(); err != nil {
			return nil, nil, err
		}
	}
	named, err := o.namedResources()
	if err != nil {
		return nil, nil, err
	}
	findings := o.askController(ctx, clients, namespace)
	file, more, err := o.readObjects(ctx, client, append(resources, named...), namespace)
	if err != nil {
		return nil, nil, err
	}
	return []*manifest.File{file}, append(findings, more...), nil
}

// readObjects returns objects of some kinds as a file, and remembers which ServiceAccounts
// other pods use.
func (o *options) readObjects(ctx context.Context, client dynamic.Interface, kinds []resource, namespace string) (*manifest.File, []convert.Finding, error) {
	var stream bytes.Buffer
	var findings []convert.Finding
	left := followers{read: map[types.UID]bool{}}
	for _, r := range kinds {
		err := list(ctx, client, r, namespace, &stream, &left)
		switch {
		case apierrors.IsNotFound(err): // no such resource: nothing of that kind
		case apierrors.IsForbidden(err):
			findings = append(findings, convert.Finding{Open: true, Message: fmt.Sprintf("%s could not be read and are not converted: %v", r.Resource, err)})
		case err != nil:
			return nil, nil, fmt.Errorf("list %s: %w", r.Resource, err)
		}
	}
	o.uses = left.uses()
	return manifest.ReadFile("", stream.Bytes()), findings, nil
}

// namedResources returns the kinds that the user named.
func (o *options) namedResources() (named []resource, err error) {
	if len(o.podTemplates) == 0 {
		return nil, nil
	}
	mapper, err := o.env.Flags.ToRESTMapper()
	if err != nil {
		return nil, fmt.Errorf("discover the kinds of the cluster: %w", err)
	}
	for _, template := range o.podTemplates {
		mapping, mapErr := mapper.RESTMapping(schema.GroupKind{Group: template.Group, Kind: template.Kind})
		if mapErr != nil {
			return nil, fmt.Errorf("--pod-template: %w", mapErr)
		}
		named = append(named, resource{mapping.Resource, mapping.Scope.Name() == "root"})
	}
	return named, nil
}

// list writes the objects of a kind that have no controller, and remembers the others,
// which follow theirs.
func list(ctx context.Context, client dynamic.Interface, r resource, namespace string, stream *bytes.Buffer, left *followers) error {
	var objects dynamic.ResourceInterface = client.Resource(r.GroupVersionResource)
	if !r.clusterScoped {
		objects = client.Resource(r.GroupVersionResource).Namespace(namespace)
	}
	if r.Resource == "namespaces" && namespace != metav1.NamespaceAll {
		object, err := objects.Get(ctx, namespace, metav1.GetOptions{})
		if err != nil {
			return err
		}
		return write(object, stream)
	}
	page := pager.New(func(ctx context.Context, options metav1.ListOptions) (runtime.Object, error) {
		return objects.List(ctx, options)
	})
	return page.EachListItem(ctx, metav1.ListOptions{}, func(item runtime.Object) error {
		object, ok := item.(*unstructured.Unstructured)
		if !ok || left.add(object) {
			return nil
		}
		return write(object, stream)
	})
}

// write writes an object the way a person would have written it.
func write(object *unstructured.Unstructured, stream *bytes.Buffer) error {
	strip(object)
	text, err := yaml.Marshal(object.Object)
	if err != nil {
		return fmt.Errorf("read %s %s/%s: %w", object.GetKind(), object.GetNamespace(), object.GetName(), err)
	}
	stream.WriteString("---\n")
	stream.Write(text)
	return nil
}
