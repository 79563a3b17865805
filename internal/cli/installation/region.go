package installation

import (
	"context"
	"strings"

	admissionv1 "k8s.io/api/admissionregistration/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"kube-aws-iam-controller/internal/api"
	"kube-aws-iam-controller/internal/identity"
)

// DefaultRegion returns the Region of pods in a namespace whose ServiceAccount names none,
// "" if there is none, or the user may not see it. It is a setting of what injects: of the
// admission policy, or else of the controller with its webhook.
func (f *Finder) DefaultRegion(ctx context.Context, namespace string) string {
	policy, err := f.client.AdmissionregistrationV1().MutatingAdmissionPolicies().Get(ctx, api.ControllerName, metav1.GetOptions{})
	if err == nil {
		return policyRegion(policy)
	}
	found, err := f.Anywhere(ctx, namespace)
	if err != nil {
		return ""
	}
	for _, c := range found.Controllers {
		if c.ConfigError == nil && c.Serves(namespace) {
			return c.Config.DefaultRegion
		}
	}
	return ""
}

// policyRegion returns the value of the policy's variable, which is a literal of CEL.
func policyRegion(policy *admissionv1.MutatingAdmissionPolicy) string {
	for _, variable := range policy.Spec.Variables {
		if variable.Name != "defaultRegion" {
			continue
		}
		if region, err := identity.ParseRegion(strings.Trim(variable.Expression, `"'`)); err == nil {
			return region
		}
	}
	return ""
}
