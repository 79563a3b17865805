package check

import (
	"context"
	"errors"
	"slices"

	admissionv1 "k8s.io/api/admissionregistration/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"kube-aws-iam-controller/internal/awsiamrole"
	"kube-aws-iam-controller/internal/cli/crd"
)

// readCRD reads the CustomResourceDefinition, and whether it is served, for which nobody
// needs rights.
func (r *reader) readCRD(ctx context.Context) {
	r.facts.crd.value, r.facts.crd.err = crd.Installed(ctx, r.clients.Core.Discovery().RESTClient())
	resources, err := r.clients.Core.Discovery().ServerResourcesForGroupVersion(awsiamrole.GroupVersion.String())
	if r.facts.served.err = ignoreNotFound(err); err == nil {
		r.facts.served.value = slices.ContainsFunc(resources.APIResources, func(each metav1.APIResource) bool {
			return each.Name == awsiamrole.Resource.Resource
		})
	}
}

// readPolicies reads which admission policies there are. API servers before 1.36 do not
// know those that mutate.
func (r *reader) readPolicies(ctx context.Context) {
	client, all := r.clients.Core.AdmissionregistrationV1(), metav1.ListOptions{}
	mutating, err1 := client.MutatingAdmissionPolicies().List(ctx, all)
	mutatingBindings, err2 := client.MutatingAdmissionPolicyBindings().List(ctx, all)
	validating, err3 := client.ValidatingAdmissionPolicies().List(ctx, all)
	validatingBindings, err4 := client.ValidatingAdmissionPolicyBindings().List(ctx, all)
	if r.facts.policies.err = firstError(ignoreNotFound(err1), ignoreNotFound(err2), err3, err4); r.facts.policies.err != nil {
		return
	}
	found := registered{mutating: map[string]bool{}, validating: map[string]bool{}, mutatingBound: map[string]bool{}, validatingBound: map[string]bool{}}
	if err1 == nil && err2 == nil {
		for i := range mutating.Items {
			found.mutating[mutating.Items[i].Name] = true
		}
		for i := range mutatingBindings.Items {
			found.mutatingBound[mutatingBindings.Items[i].Spec.PolicyName] = true
		}
	}
	for i := range validating.Items {
		found.validating[validating.Items[i].Name] = true
	}
	for i := range validatingBindings.Items {
		spec := &validatingBindings.Items[i].Spec
		denies := slices.Contains(spec.ValidationActions, admissionv1.Deny)
		found.validatingBound[spec.PolicyName] = found.validatingBound[spec.PolicyName] || denies
	}
	r.facts.policies.value = found
}

// firstError prefers errors that say that something is forbidden.
func firstError(errs ...error) error {
	for _, err := range errs {
		if apierrors.IsForbidden(err) {
			return err
		}
	}
	return errors.Join(errs...)
}

func (r *reader) readWebhooks(ctx context.Context) {
	list, err := r.clients.Core.AdmissionregistrationV1().MutatingWebhookConfigurations().List(ctx, metav1.ListOptions{})
	if r.facts.webhooks.err = err; err != nil {
		return
	}
	r.facts.webhooks.value = list.Items
	webhook := r.facts.webhook()
	if webhook == nil || webhook.ClientConfig.Service == nil {
		return
	}
	service := webhook.ClientConfig.Service
	found, err := r.clients.Core.DiscoveryV1().EndpointSlices(service.Namespace).List(ctx, metav1.ListOptions{
		LabelSelector: discoveryv1.LabelServiceName + "=" + service.Name,
	})
	if r.facts.endpoints.err = err; err == nil {
		r.facts.endpoints.value = readyEndpoints(found.Items)
	}
}

func readyEndpoints(all []discoveryv1.EndpointSlice) (ready int) {
	for i := range all {
		for _, e := range all[i].Endpoints {
			if e.Conditions.Ready == nil || *e.Conditions.Ready {
				ready += len(e.Addresses)
			}
		}
	}
	return ready
}
