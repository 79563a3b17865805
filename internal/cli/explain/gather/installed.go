package gather

import (
	"context"
	"slices"

	admissionv1 "k8s.io/api/admissionregistration/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"kube-aws-iam-controller/internal/api"
	"kube-aws-iam-controller/internal/cli/explain/chain"
	"kube-aws-iam-controller/internal/cli/installation"
)

// Names of what is installed.
const (
	policyName  = api.ControllerName
	guardName   = api.ControllerName + "-guard-pods"
	webhookName = "pods.iam.amazonaws.com"
)

// installed reads the Deployments of controllers, and what belongs to the one that serves
// the namespace. Only if there is none of those that may be seen, others matter.
func (r *Reader) installed(ctx context.Context, f *chain.Facts) {
	found, err := r.controllers.Anywhere(ctx, f.Key.Namespace)
	what := request{"list", "deployments", "all namespaces"}
	f.Controllers = fact(what, found.Controllers, err)
	serving := f.Serving()
	if len(serving) > 0 {
		r.serving(ctx, f, serving[0])
	} else if found.Hidden != nil {
		f.Controllers = fact(what, found.Controllers, found.Hidden)
	}
}

// serving reads the Lease of a controller, and finds out its role.
func (r *Reader) serving(ctx context.Context, f *chain.Facts, c *installation.Controller) {
	cfg, known := f.Config()
	if !known {
		return
	}
	home := c.Deployment.Namespace
	if cfg.LeaderElect {
		if cfg.LeaderElectNamespace != "" {
			home = cfg.LeaderElectNamespace
		}
		lease, err := r.clients.Core.CoordinationV1().Leases(home).Get(ctx, cfg.LeaderElectName, metav1.GetOptions{})
		f.Lease = fact(request{"get", "leases", home}, lease, err)
	}
	f.Principal, _ = c.RoleARN(ctx, r.clients.Core, cfg) // links that need it say that it is not known
}

// admission reads what gives pods their credentials, and what guards them.
func (r *Reader) admission(ctx context.Context, f *chain.Facts) {
	client := r.clients.Core.AdmissionregistrationV1()
	policy, err := client.MutatingAdmissionPolicies().Get(ctx, policyName, metav1.GetOptions{})
	f.Admission.Policy = fact(request{"get", "mutatingadmissionpolicies", ""}, policy, err)
	bindings, err := client.MutatingAdmissionPolicyBindings().List(ctx, metav1.ListOptions{})
	f.Admission.PolicyBinding = as(fact(request{"list", "mutatingadmissionpolicybindings", ""}, bindings, err), policyBinding)
	webhooks, err := client.MutatingWebhookConfigurations().List(ctx, metav1.ListOptions{})
	f.Admission.Webhook = as(fact(request{"list", "mutatingwebhookconfigurations", ""}, webhooks, err), webhook)
	if found := f.Admission.Webhook.Value; found != nil && found.ClientConfig.Service != nil {
		f.Admission.Endpoints = r.endpoints(ctx, found.ClientConfig.Service)
	}
	guard, err := client.ValidatingAdmissionPolicies().Get(ctx, guardName, metav1.GetOptions{})
	f.Admission.Guard = as(fact(request{"get", "validatingadmissionpolicies", ""}, guard, err),
		func(p *admissionv1.ValidatingAdmissionPolicy) bool { return p != nil })
	guards, err := client.ValidatingAdmissionPolicyBindings().List(ctx, metav1.ListOptions{})
	f.Admission.GuardBound = as(fact(request{"list", "validatingadmissionpolicybindings", ""}, guards, err), guardBound)
}

// policyBinding returns the binding of the policy, nil if there is none, or if the API
// server does not know such policies.
func policyBinding(list *admissionv1.MutatingAdmissionPolicyBindingList) *admissionv1.MutatingAdmissionPolicyBinding {
	if list == nil {
		return nil
	}
	for i := range list.Items {
		if list.Items[i].Spec.PolicyName == policyName {
			return &list.Items[i]
		}
	}
	return nil
}

func guardBound(list *admissionv1.ValidatingAdmissionPolicyBindingList) bool {
	return list != nil && slices.ContainsFunc(list.Items, func(b admissionv1.ValidatingAdmissionPolicyBinding) bool { return b.Spec.PolicyName == guardName })
}

// webhook returns the controller's, nil if there is none.
func webhook(list *admissionv1.MutatingWebhookConfigurationList) *admissionv1.MutatingWebhook {
	if list == nil {
		return nil
	}
	for _, configuration := range list.Items {
		for i := range configuration.Webhooks {
			if configuration.Webhooks[i].Name == webhookName {
				return &configuration.Webhooks[i]
			}
		}
	}
	return nil
}

// endpoints returns how many addresses of a Service are ready.
func (r *Reader) endpoints(ctx context.Context, service *admissionv1.ServiceReference) chain.Fact[int] {
	list, err := r.clients.Core.DiscoveryV1().EndpointSlices(service.Namespace).List(ctx,
		metav1.ListOptions{LabelSelector: discoveryv1.LabelServiceName + "=" + service.Name})
	return as(fact(request{"list", "endpointslices", service.Namespace}, list, err), func(list *discoveryv1.EndpointSliceList) (ready int) {
		for _, slice := range list.Items {
			for _, endpoint := range slice.Endpoints {
				if endpoint.Conditions.Ready == nil || *endpoint.Conditions.Ready {
					ready += len(endpoint.Addresses)
				}
			}
		}
		return ready
	})
}
