package awsiamrole

import (
	"context"
	"fmt"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/serializer"
	"k8s.io/client-go/rest"

	"kube-aws-iam-controller/internal/api"
	"kube-aws-iam-controller/internal/typed"
)

// A Client reads and writes AWSIAMRoles.
type Client struct {
	rest  rest.Interface
	codec runtime.ParameterCodec
}

// NewClient returns a Client for the cluster of cfg.
func NewClient(cfg *rest.Config) (*Client, error) {
	scheme := runtime.NewScheme()
	scheme.AddKnownTypes(GroupVersion, &AWSIAMRole{})
	// The kind of the list is AWSIAMRoleList, unlike the name of its Go type.
	scheme.AddKnownTypeWithName(GroupVersion.WithKind(api.AWSIAMRoleKind+"List"), &List{})
	metav1.AddToGroupVersion(scheme, GroupVersion)
	cfg = rest.CopyConfig(cfg)
	cfg.GroupVersion, cfg.APIPath = &GroupVersion, "/apis"
	cfg.ContentType, cfg.AcceptContentTypes = runtime.ContentTypeJSON, runtime.ContentTypeJSON
	cfg.NegotiatedSerializer = serializer.NewCodecFactory(scheme).WithoutConversion()
	client, err := rest.RESTClientFor(cfg)
	if err != nil {
		return nil, fmt.Errorf("make a client for AWSIAMRoles: %w", err)
	}
	return &Client{rest: client, codec: runtime.NewParameterCodec(scheme)}, nil
}

// Namespace returns a client for one namespace, "" for all.
func (c *Client) Namespace(namespace string) *Namespaced {
	resource := typed.Resource{Name: Resource.Resource, Namespace: namespace, REST: c.rest, Parameters: c.codec}
	return &Namespaced{typed.New[AWSIAMRole](resource), resource}
}

// Namespaced reads and writes the AWSIAMRoles of one namespace.
type Namespaced struct {
	*typed.Client[*AWSIAMRole]

	resource typed.Resource
}

// List returns the AWSIAMRoles that the options select.
func (n *Namespaced) List(ctx context.Context, opts metav1.ListOptions) (*List, error) {
	list := &List{}
	err := n.resource.List(ctx, opts, list)
	return list, err
}
