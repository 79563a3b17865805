package chain

import (
	"fmt"

	admissionv1 "k8s.io/api/admissionregistration/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"

	"kube-aws-iam-controller/internal/api"
	"kube-aws-iam-controller/internal/cli/finding"
	"kube-aws-iam-controller/internal/identity"
)

const installAdmission = "install one way of admission: see docs/admission.md"

// usesAdmission reports whether admission should give pods the credentials: it does for
// ServiceAccounts, unless the delivery is none.
func usesAdmission(f *Facts) bool {
	injection := f.Request().Injection
	return isServiceAccount(f) && (injection == nil || injection.Delivery != identity.DeliverNone)
}

var admissionRules = []rule{
	// The pod has everything that it should have.
	func(f *Facts) *finding.Finding {
		if given, _ := f.given(); given == wired && f.admissionUnknown() != "" {
			return ok("it has given this pod what its ServiceAccount asks for (" + f.admissionUnknown() + ")")
		}
		return nil
	},
	func(f *Facts) *finding.Finding {
		if why := f.admissionUnknown(); why != "" {
			return unknown(why)
		}
		return nil
	},
	// Nothing gives pods anything.
	func(f *Facts) *finding.Finding {
		if f.Admission.Policy.Value != nil || f.Admission.Webhook.Value != nil {
			return nil
		}
		return broken("neither the MutatingAdmissionPolicy nor the webhook is installed, so that pods are given nothing", installAdmission)
	},
	// Each would only find that the other has done its work, at twice the cost.
	func(f *Facts) *finding.Finding {
		if f.Admission.Policy.Value == nil || f.Admission.Webhook.Value == nil {
			return nil
		}
		return warning("both the MutatingAdmissionPolicy and the webhook are installed",
			"while one replaces the other, finish that: with the chart, repeat helm upgrade; otherwise remove one of them: docs/admission.md")
	},
	// A policy without binding does nothing.
	func(f *Facts) *finding.Finding {
		if f.Admission.Policy.Value == nil || f.Admission.PolicyBinding.Value != nil {
			return nil
		}
		return broken("the MutatingAdmissionPolicy has no binding, so that it is not in force", installAdmission)
	},
	// Its selectors decide before its expressions do.
	func(f *Facts) *finding.Finding {
		if f.Admission.Policy.Value == nil {
			return nil
		}
		match := f.Admission.Policy.Value.Spec.MatchConstraints
		if bound := f.Admission.PolicyBinding.Value.Spec.MatchResources; bound != nil {
			if found := f.excludedBy("binding of the MutatingAdmissionPolicy", bound.NamespaceSelector, bound.ObjectSelector); found != nil {
				return found
			}
		}
		if match == nil {
			return nil
		}
		return f.excludedBy("MutatingAdmissionPolicy", match.NamespaceSelector, match.ObjectSelector)
	},
	func(f *Facts) *finding.Finding {
		if f.Admission.Policy.Value != nil {
			return ok("by the MutatingAdmissionPolicy " + f.Admission.Policy.Value.Name)
		}
		return nil
	},
	// From here on it is the webhook.
	func(f *Facts) *finding.Finding {
		return f.excludedBy("webhook", f.Admission.Webhook.Value.NamespaceSelector, f.Admission.Webhook.Value.ObjectSelector)
	},
	// The controller has to serve it.
	func(f *Facts) *finding.Finding {
		if cfg, known := f.Config(); !known || cfg.WebhookListenAddress != "" || f.Admission.Webhook.Value.ClientConfig.Service == nil {
			return nil
		}
		return broken("the webhook is installed, and the controller "+f.controller().Name()+" does not serve it",
			"run the controller with --webhook-listen-address=:8443, or install the component admission-policy instead")
	},
	// The API server trusts no certificate without it.
	func(f *Facts) *finding.Finding {
		if len(f.Admission.Webhook.Value.ClientConfig.CABundle) > 0 {
			return nil
		}
		return broken("the webhook has no caBundle, so that the API server cannot call it: the controller has not written it yet, or something has reset it",
			f.logs()+" says why; a tool that applies manifests has to leave the field alone")
	},
	func(f *Facts) *finding.Finding {
		if f.Admission.Endpoints.Unknown != "" {
			return unknown(f.Admission.Endpoints.Unknown)
		}
		return nil
	},
	func(f *Facts) *finding.Finding {
		service := f.Admission.Webhook.Value.ClientConfig.Service
		if service == nil || f.Admission.Endpoints.Value != 0 {
			return nil
		}
		return broken(fmt.Sprintf("the Service %s/%s of the webhook has no ready endpoints", service.Namespace, service.Name),
			fmt.Sprintf("kubectl get endpointslices --namespace %s --selector kubernetes.io/service-name=%s", service.Namespace, service.Name))
	},
	// Pods come to be without credentials whenever it does not answer.
	func(f *Facts) *finding.Finding {
		policy := f.Admission.Webhook.Value.FailurePolicy
		if policy == nil || *policy != admissionv1.Ignore {
			return nil
		}
		return warning("the webhook has failurePolicy Ignore: pods that are created while it does not answer have no credentials",
			"set failurePolicy to Fail, as shipped")
	},
	func(f *Facts) *finding.Finding { return ok("by the webhook " + f.Admission.Webhook.Value.Name) },
}

// admissionUnknown returns what of the installation of admission is not known.
func (f *Facts) admissionUnknown() string {
	for _, why := range []string{f.Admission.Policy.Unknown, f.Admission.PolicyBinding.Unknown, f.Admission.Webhook.Unknown} {
		if why != "" {
			return why
		}
	}
	return ""
}

// excludedBy returns a finding if selectors leave out the namespace or the pod. The label
// by which a pod opts out is for the link of the pod itself.
func (f *Facts) excludedBy(what string, namespaces, objects *metav1.LabelSelector) *finding.Finding {
	if ns := f.Namespace.Value; ns != nil && !matches(namespaces, ns.Labels) {
		return broken(fmt.Sprintf("the namespaceSelector of the %s leaves out the namespace %s", what, f.Key.Namespace),
			fmt.Sprintf("use another namespace, mount the Secret yourself as in docs/admission.md, or change the selector (%s)", metav1.FormatLabelSelector(namespaces)))
	}
	pod := f.Pod.Value
	if pod != nil && !matches(objects, pod.Labels) && pod.Labels[api.InjectLabel] != api.InjectDisabled {
		return broken(fmt.Sprintf("the objectSelector of the %s leaves out the pod", what),
			fmt.Sprintf("change the labels of the pod, or the selector (%s)", metav1.FormatLabelSelector(objects)))
	}
	return nil
}

func matches(selector *metav1.LabelSelector, set map[string]string) bool {
	if selector == nil {
		return true
	}
	s, err := metav1.LabelSelectorAsSelector(selector)
	return err == nil && s.Matches(labels.Set(set))
}

// The guard is optional, and gives nobody anything: it is never what is broken.
var guardRules = []rule{
	func(f *Facts) *finding.Finding {
		if f.Admission.Guard.Unknown != "" {
			return unknown(f.Admission.Guard.Unknown)
		}
		return nil
	},
	func(f *Facts) *finding.Finding {
		if f.Admission.Guard.Value {
			return nil
		}
		return ok("not installed: every pod of the namespace may mount the Secret")
	},
	func(f *Facts) *finding.Finding {
		if f.Admission.GuardBound.Unknown != "" {
			return unknown(f.Admission.GuardBound.Unknown)
		}
		return nil
	},
	func(f *Facts) *finding.Finding {
		if f.Admission.GuardBound.Value {
			return ok("only pods of the ServiceAccount may mount its Secret")
		}
		return warning("the guard has no binding, so that it is not in force", "apply manifests/components/guard again")
	},
}
