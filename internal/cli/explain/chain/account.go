package chain

import (
	"errors"
	"fmt"
	"strings"

	corev1 "k8s.io/api/core/v1"

	"kube-aws-iam-controller/internal/api"
	"kube-aws-iam-controller/internal/cli/crd"
	"kube-aws-iam-controller/internal/cli/finding"
	"kube-aws-iam-controller/internal/identity"
)

var accountRules = []rule{
	func(f *Facts) *finding.Finding {
		if f.Pod.Unknown != "" {
			return unknown(f.Pod.Unknown)
		}
		return nil
	},
	func(f *Facts) *finding.Finding {
		if f.Account.Unknown != "" {
			return unknown(f.Account.Unknown)
		}
		return nil
	},
	func(f *Facts) *finding.Finding {
		if f.Account.Value != nil {
			return nil
		}
		return broken(fmt.Sprintf("the ServiceAccount %s/%s does not exist", f.Key.Namespace, f.Key.Name),
			fmt.Sprintf("kubectl create serviceaccount %s --namespace %s", f.Key.Name, f.Key.Namespace))
	},
	func(f *Facts) *finding.Finding {
		if f.Account.Value.DeletionTimestamp == nil {
			return nil
		}
		return broken(fmt.Sprintf("the ServiceAccount %s is being deleted, and its credentials with it", f.Key.Name), "create it again once it is gone")
	},
	func(f *Facts) *finding.Finding {
		if want, _ := f.Want(); want != nil {
			return nil
		}
		return f.asksForNothing()
	},
	// Its pods are passed over, whatever it asks for.
	func(f *Facts) *finding.Finding {
		if !f.Request().SkippedByAdmission {
			return nil
		}
		return broken(fmt.Sprintf("the ServiceAccount asks for a role, and its label %s: %s has the admission policy pass over its pods", api.RequestsLabel, api.RequestsNone),
			fmt.Sprintf("kubectl label serviceaccount %s --namespace %s %s- and create the pods again; leave the label out of manifests", f.Key.Name, f.Key.Namespace, api.RequestsLabel))
	},
	func(f *Facts) *finding.Finding { return ok(f.Key.Name + " asks for " + f.asked()) },
}

// asksForNothing returns why a ServiceAccount has no role, and what its author may have
// meant.
func (f *Facts) asksForNothing() *finding.Finding {
	annotate := fmt.Sprintf("kubectl annotate serviceaccount %s --namespace %s %s=ROLE", f.Key.Name, f.Key.Namespace, api.RoleAnnotation)
	what := fmt.Sprintf("the ServiceAccount %s asks for nothing", f.Key.Name)
	if said := f.Request().Warning.Message; said != "" {
		return broken(what+": "+said, annotate)
	}
	if f.PodName == "" {
		return broken(what, annotate)
	}
	what = fmt.Sprintf("the pod runs as the ServiceAccount %s, which asks for nothing", f.Key.Name)
	if pod := f.Pod.Value; pod != nil && pod.Annotations[api.RoleAnnotation] != "" {
		return broken(what+"; the annotation "+api.RoleAnnotation+" of the pod is for kube2iam and kiam, and is not read",
			fmt.Sprintf("kubectl annotate serviceaccount %s --namespace %s %s=%s", f.Key.Name, f.Key.Namespace, api.RoleAnnotation, word(strings.TrimSpace(pod.Annotations[api.RoleAnnotation]))))
	}
	if len(f.Askers.Value) > 0 {
		return broken(what, fmt.Sprintf("set serviceAccountName in the pod's template to one that asks for a role (%s), or %s", strings.Join(f.Askers.Value, ", "), annotate))
	}
	return broken(what, annotate)
}

// asked returns what the ServiceAccount asks for, in words.
func (f *Facts) asked() string {
	for _, key := range []string{api.RoleAnnotation, api.RolePolicyAnnotation, api.ManagedPoliciesAnnotation} {
		value, has := f.Account.Value.Annotations[key]
		switch {
		case has && key == api.RoleAnnotation:
			return "the role " + f.expanded(strings.TrimSpace(value))
		case has:
			return "a managed role"
		}
	}
	// It asks for something, so this annotation is read.
	if value, has := f.Account.Value.Annotations[api.IRSAAnnotation]; has {
		return "the role " + strings.TrimSpace(value) + ", by the annotation " + api.IRSAAnnotation
	}
	return "nothing"
}

// expanded returns a role as it was written, and with variables what that is.
func (f *Facts) expanded(role string) string {
	if want, err := f.Want(); err == nil && identity.HasVariables(role) {
		return want.Role.String() + ", written as " + role
	}
	return role
}

var awsiamroleRules = []rule{
	func(f *Facts) *finding.Finding {
		if f.Role.Unknown != "" {
			return unknown(f.Role.Unknown)
		}
		return nil
	},
	func(f *Facts) *finding.Finding {
		if f.Role.Value != nil {
			return nil
		}
		return broken(fmt.Sprintf("the AWSIAMRole %s/%s does not exist", f.Key.Namespace, f.Key.Name), "kubectl get awsiamroles --namespace "+f.Key.Namespace)
	},
	func(f *Facts) *finding.Finding {
		if len(f.Dropped) == 0 {
			return nil
		}
		return warning("asks for the role "+f.Role.Value.Spec.RoleReference+"; "+crd.Lacks(f.Dropped)+": what is written there is dropped", crd.Apply)
	},
	func(f *Facts) *finding.Finding { return ok("asks for the role " + f.Role.Value.Spec.RoleReference) },
}

var annotationRules = []rule{
	// The controller's own words name the value and the remedy.
	func(f *Facts) *finding.Finding {
		_, err := f.Want()
		if step, temporary := errors.AsType[*identity.StepError](err); temporary {
			return unknown("what is asked for: " + step.Err.Error())
		}
		if err != nil {
			return broken(err.Error(), f.edit()+"; what was asked for before is kept fresh until then")
		}
		return nil
	},
	func(f *Facts) *finding.Finding {
		if said := f.Request().Warning.Message; said != "" {
			return warning(said, f.edit())
		}
		return nil
	},
	func(f *Facts) *finding.Finding { return ok("are understood" + f.variables()) },
}

// variables returns what the variables in the annotations stand for, in words.
func (f *Facts) variables() string {
	var all []string
	for _, pair := range f.Request().Variables {
		all = append(all, pair[0]+" = "+pair[1])
	}
	if len(all) == 0 {
		return ""
	}
	return ", with " + strings.Join(all, ", ")
}

// edit returns the command that changes the object.
func (f *Facts) edit() string {
	kind := "serviceaccount"
	if isAWSIAMRole(f) {
		kind = "awsiamrole"
	}
	return fmt.Sprintf("kubectl edit %s %s --namespace %s", kind, f.Key.Name, f.Key.Namespace)
}

// accountOf returns the name of the ServiceAccount of a pod.
func accountOf(pod *corev1.Pod) string {
	if pod.Spec.ServiceAccountName == "" {
		return "default"
	}
	return pod.Spec.ServiceAccountName
}
