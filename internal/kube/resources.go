package kube

import (
	"context"

	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	authenticationv1 "k8s.io/api/authentication/v1"
	authorizationv1 "k8s.io/api/authorization/v1"
	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/runtime/serializer"
	"k8s.io/client-go/rest"

	"kube-aws-iam-controller/internal/typed"
)

// scheme has the types that are read or written as a whole. codecs and parameters encode
// them.
var (
	scheme     = newScheme()
	codecs     = serializer.NewCodecFactory(scheme)
	parameters = runtime.NewParameterCodec(scheme)
)

func newScheme() *runtime.Scheme {
	s := runtime.NewScheme()
	for version, types := range map[schema.GroupVersion][]runtime.Object{
		corev1.SchemeGroupVersion:                  {&corev1.Secret{}, &corev1.Event{}, &corev1.Pod{}, &corev1.PodList{}},
		coordinationv1.SchemeGroupVersion:          {&coordinationv1.Lease{}},
		admissionregistrationv1.SchemeGroupVersion: {&admissionregistrationv1.MutatingWebhookConfiguration{}, &admissionregistrationv1.MutatingWebhookConfigurationList{}},
		authenticationv1.SchemeGroupVersion:        {&authenticationv1.TokenReview{}},
		authorizationv1.SchemeGroupVersion:         {&authorizationv1.SubjectAccessReview{}, &authorizationv1.SelfSubjectAccessReview{}},
	} {
		s.AddKnownTypes(version, types...)
		metav1.AddToGroupVersion(s, version)
	}
	return s
}

// restClient returns a client for one version of an API group. It prefers protobuf, which
// takes a fraction of the CPU time of JSON.
func restClient(cfg *rest.Config, version schema.GroupVersion) (rest.Interface, error) {
	cfg = rest.CopyConfig(cfg)
	cfg.ContentType = runtime.ContentTypeProtobuf
	cfg.AcceptContentTypes = runtime.ContentTypeProtobuf + "," + runtime.ContentTypeJSON
	cfg.GroupVersion, cfg.APIPath = &version, "/apis"
	if version.Group == "" {
		cfg.APIPath = "/api"
	}
	cfg.NegotiatedSerializer = codecs.WithoutConversion()
	return rest.RESTClientFor(cfg)
}

// Secrets returns a client for the Secrets of a namespace.
func (c *Clients) Secrets(namespace string) *typed.Client[*corev1.Secret] {
	return typed.New[corev1.Secret](named(c.core, "secrets", namespace))
}

// Pods returns a client for the Pods of a namespace.
func (c *Clients) Pods(namespace string) Pods { return Pods{named(c.core, "pods", namespace)} }

// Pods lists the Pods of a namespace.
type Pods struct{ resource typed.Resource }

// List returns the Pods that the options select.
func (p Pods) List(ctx context.Context, opts metav1.ListOptions) (*corev1.PodList, error) {
	list := &corev1.PodList{}
	err := p.resource.List(ctx, opts, list)
	return list, err
}

// Events returns a client for the Events of a namespace. A burst of Events does not delay
// other requests.
func (c *Clients) Events(namespace string) *typed.Client[*corev1.Event] {
	return typed.New[corev1.Event](named(c.events, "events", namespace))
}

// Leases returns a client for the Leases of a namespace. It shares neither the rate limit
// nor the fencing of the other clients.
func (c *Clients) Leases(namespace string) *typed.Client[*coordinationv1.Lease] {
	return typed.New[coordinationv1.Lease](named(c.lease, "leases", namespace))
}

// WebhookConfigurations returns a client for MutatingWebhookConfigurations.
func (c *Clients) WebhookConfigurations() *typed.Client[*admissionregistrationv1.MutatingWebhookConfiguration] {
	return typed.New[admissionregistrationv1.MutatingWebhookConfiguration](named(c.admission, "mutatingwebhookconfigurations", ""))
}

// MutatingWebhooks returns a client that lists MutatingWebhookConfigurations.
func (c *Clients) MutatingWebhooks() MutatingWebhooks {
	return MutatingWebhooks{named(c.admission, "mutatingwebhookconfigurations", "")}
}

// MutatingWebhooks lists MutatingWebhookConfigurations.
type MutatingWebhooks struct{ resource typed.Resource }

// List returns the configurations that the options select.
func (w MutatingWebhooks) List(ctx context.Context, opts metav1.ListOptions) (*admissionregistrationv1.MutatingWebhookConfigurationList, error) {
	list := &admissionregistrationv1.MutatingWebhookConfigurationList{}
	err := w.resource.List(ctx, opts, list)
	return list, err
}

// SelfSubjectAccessReviews returns a client that asks what the controller may do.
func (c *Clients) SelfSubjectAccessReviews() *typed.Client[*authorizationv1.SelfSubjectAccessReview] {
	return typed.New[authorizationv1.SelfSubjectAccessReview](named(c.authorization, "selfsubjectaccessreviews", ""))
}

// TokenReviews and SubjectAccessReviews return clients that authenticate and authorize
// requests for metrics. They are not fenced, because reviews change nothing and standby
// replicas serve metrics too.
func (c *Clients) TokenReviews() *typed.Client[*authenticationv1.TokenReview] {
	return typed.New[authenticationv1.TokenReview](named(c.tokenReviews, "tokenreviews", ""))
}

// SubjectAccessReviews is documented at TokenReviews.
func (c *Clients) SubjectAccessReviews() *typed.Client[*authorizationv1.SubjectAccessReview] {
	return typed.New[authorizationv1.SubjectAccessReview](named(c.accessReviews, "subjectaccessreviews", ""))
}

// named returns the resource of a name in a namespace, "" for one without namespaces.
func named(client rest.Interface, name, namespace string) typed.Resource {
	return typed.Resource{Name: name, Namespace: namespace, REST: client, Parameters: parameters}
}
