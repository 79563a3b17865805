// Package typed has clients for single resources of the Kubernetes API, on schemes of few
// types: docs/adr/0026-clients-of-few-types.md. Their methods have the signatures, and send
// the requests, of client-go's typed clients, so that its fakes can take their place.
package typed

import (
	"context"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/rest"
)

// A Resource is a resource of the API in one namespace.
type Resource struct {
	// Name is the plural name, such as "secrets".
	Name string
	// Namespace is "" for a resource without namespaces, and to list those of all.
	Namespace string
	// REST is a client for the group and version. Parameters encodes options for it.
	REST       rest.Interface
	Parameters runtime.ParameterCodec
}

// An Object is an object of the API.
type Object interface {
	runtime.Object
	metav1.Object
}

// A Client reads and writes the objects of a resource, which have the type O.
type Client[O Object] struct {
	resource Resource
	empty    func() O
}

// New returns a Client for objects of the type O, which is a pointer to a T.
func New[T any, O interface {
	*T
	Object
}](resource Resource) *Client[O] {
	return &Client[O]{resource, func() O { return new(T) }}
}

// Get reads an object.
func (c *Client[O]) Get(ctx context.Context, name string, opts metav1.GetOptions) (O, error) {
	return c.answer(ctx, c.resource.address(c.resource.REST.Get(), &opts).Name(name))
}

// Create creates an object, and returns it as the API server stored it.
func (c *Client[O]) Create(ctx context.Context, object O, opts metav1.CreateOptions) (O, error) {
	return c.answer(ctx, c.resource.address(c.resource.REST.Post(), &opts).Body(object))
}

// Update replaces an object, and returns it as the API server stored it.
func (c *Client[O]) Update(ctx context.Context, object O, opts metav1.UpdateOptions) (O, error) {
	return c.answer(ctx, c.resource.address(c.resource.REST.Put(), &opts).Name(object.GetName()).Body(object))
}

// Patch changes an object, and returns it as the API server stored it.
func (c *Client[O]) Patch(
	ctx context.Context, name string, kind types.PatchType, patch []byte, opts metav1.PatchOptions, subresources ...string,
) (O, error) {
	return c.answer(ctx, c.resource.address(c.resource.REST.Patch(kind), &opts).Name(name).SubResource(subresources...).Body(patch))
}

// Delete deletes an object.
func (c *Client[O]) Delete(ctx context.Context, name string, opts metav1.DeleteOptions) error {
	return c.resource.address(c.resource.REST.Delete(), nil).Name(name).Body(&opts).Do(ctx).Error()
}

// Watch watches the objects that the options select.
func (c *Client[O]) Watch(ctx context.Context, opts metav1.ListOptions) (watch.Interface, error) {
	opts.Watch = true
	return c.resource.list(opts).Watch(ctx)
}

// answer sends a request and returns the object that it is answered with.
func (c *Client[O]) answer(ctx context.Context, request *rest.Request) (O, error) {
	object := c.empty()
	err := request.Do(ctx).Into(object)
	return object, err
}

// List reads the objects that the options select into list.
func (r Resource) List(ctx context.Context, opts metav1.ListOptions, list runtime.Object) error {
	return r.list(opts).Do(ctx).Into(list)
}

// list is a request of the objects that the options select. It has no timeout but theirs.
func (r Resource) list(opts metav1.ListOptions) *rest.Request {
	var timeout time.Duration
	if opts.TimeoutSeconds != nil {
		timeout = time.Duration(*opts.TimeoutSeconds) * time.Second
	}
	return r.address(r.REST.Get(), &opts).Timeout(timeout)
}

// address addresses a request to the resource, with options unless they are nil.
func (r Resource) address(request *rest.Request, opts runtime.Object) *rest.Request {
	request = request.NamespaceIfScoped(r.Namespace, r.Namespace != "").Resource(r.Name)
	if opts == nil {
		return request
	}
	return request.VersionedParams(opts, r.Parameters)
}
