package check

import (
	"fmt"
	"strings"

	admissionv1 "k8s.io/api/admissionregistration/v1"

	"kube-aws-iam-controller/internal/cli/finding"
)

// podsWebhook is the name of the webhook in its MutatingWebhookConfiguration.
const podsWebhook = "pods.iam.amazonaws.com"

func checkAdmission(f *facts) []finding.Finding {
	const check = "admission"
	if f.policies.err != nil || f.webhooks.err != nil {
		err := f.policies.err
		if err == nil {
			err = f.webhooks.err
		}
		return unseen(check, "list admission policies and webhooks", err)
	}
	missing, present, err := f.policies.value.lacks("components/admission-policy/*.yaml")
	if err != nil {
		return unseen(check, "read the shipped manifests", err)
	}
	webhook := f.webhook()
	const apply = "apply manifests/components/admission-policy again, see docs/admission.md"
	switch {
	case present && webhook != nil:
		return warning(check, "pods are changed by the admission policy and by the webhook, each of which finds done what the other does",
			"while one replaces the other, finish that: with the chart, repeat helm upgrade; otherwise remove one of them: docs/admission.md")
	case present && len(missing) > 0:
		return broken(check, "the admission policy is not in force: "+strings.Join(missing, ", "), apply)
	case present:
		return ok(check, "pods get their credentials from the admission policy")
	case webhook != nil:
		return f.checkWebhook(webhook)
	case f.servesOneNamespace():
		return ok(check, "pods are not changed: a controller of one namespace has no admission")
	}
	return warning(check, "neither the admission policy nor the webhook is installed: pods get no credentials unless they mount the Secret themselves",
		"install the component admission-policy (Kubernetes 1.36 and later) or webhook: docs/admission.md")
}

// webhook returns the webhook for pods, nil if there is none.
func (f *facts) webhook() *admissionv1.MutatingWebhook {
	for i := range f.webhooks.value {
		for j := range f.webhooks.value[i].Webhooks {
			if w := &f.webhooks.value[i].Webhooks[j]; w.Name == podsWebhook {
				return w
			}
		}
	}
	return nil
}

func (f *facts) checkWebhook(w *admissionv1.MutatingWebhook) []finding.Finding {
	const check = "admission"
	var all []finding.Finding
	if len(w.ClientConfig.CABundle) == 0 {
		all = append(all, broken(check, "the webhook has no caBundle, so the API server cannot call it and rejects pods",
			"see that the controller runs with --webhook-listen-address and may patch the MutatingWebhookConfiguration: docs/admission.md")...)
	}
	if w.FailurePolicy != nil && *w.FailurePolicy != admissionv1.Fail {
		all = append(all, warning(check, fmt.Sprintf("the webhook has the failurePolicy %s: pods start without credentials whenever it cannot be reached", *w.FailurePolicy),
			"set failurePolicy: Fail")...)
	}
	if service := w.ClientConfig.Service; service != nil {
		name := service.Namespace + "/" + service.Name
		switch {
		case f.endpoints.err != nil:
			all = append(all, unseen(check, "list EndpointSlices in the namespace "+service.Namespace, f.endpoints.err)...)
		case f.endpoints.value == 0:
			all = append(all, broken(check, "the Service "+name+" of the webhook has no ready endpoints, so the API server rejects pods",
				fmt.Sprintf("kubectl get endpointslices --namespace %s --selector kubernetes.io/service-name=%s", service.Namespace, service.Name))...)
		}
	}
	if len(all) == 0 {
		return ok(check, "pods get their credentials from the webhook")
	}
	return all
}

// lacks returns what is missing of the policies in shipped manifests, and whether any of
// them is present.
func (r registered) lacks(files string) (missing []string, present bool, err error) {
	objects, err := shipped(files)
	if err != nil {
		return nil, false, err
	}
	for i := range objects {
		kind, name := objects[i].GetKind(), objects[i].GetName()
		var exists bool
		var problem string
		switch kind {
		case "MutatingAdmissionPolicy":
			exists = r.mutating[name]
		case "ValidatingAdmissionPolicy":
			exists = r.validating[name]
		case "MutatingAdmissionPolicyBinding":
			exists = r.mutatingBound[name]
		case "ValidatingAdmissionPolicyBinding":
			var denies bool
			denies, exists = r.validatingBound[name]
			if exists && !denies {
				problem = fmt.Sprintf("the %s %s does not deny", kind, name)
			}
		default:
			continue
		}
		present = present || exists
		if !exists {
			problem = fmt.Sprintf("there is no %s %s", kind, name)
		}
		if problem != "" {
			missing = append(missing, problem)
		}
	}
	return missing, present, nil
}

func checkGuard(f *facts) []finding.Finding {
	const check = "guard"
	if f.policies.err != nil {
		return unseen(check, "list admission policies", f.policies.err)
	}
	missing, present, err := f.policies.value.lacks("components/guard/*.yaml")
	switch {
	case err != nil:
		return unseen(check, "read the shipped manifests", err)
	case !present:
		return warning(check, "the guard is not installed: whoever may create pods in a namespace can use the credentials of all its ServiceAccounts",
			"install the component guard: docs/security.md#the-guard")
	case len(missing) > 0:
		return broken(check, "the guard is not in force: "+strings.Join(missing, ", "), "apply manifests/components/guard again")
	}
	return ok(check, "the guard is in force")
}
