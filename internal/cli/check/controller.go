package check

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"

	"kube-aws-iam-controller/internal/cli/finding"
)

func checkController(f *facts) []finding.Finding {
	const check = "controller"
	if f.controllers.err != nil {
		return checkPods(f)
	}
	if len(f.controllers.value) == 0 {
		return broken(check, "no controller is installed "+place(f.namespace), "install it: docs/install.md; kubectl aws-iam check --pre says what is in the way")
	}
	var all []finding.Finding
	for _, c := range f.controllers.value {
		wanted, ready := int32(1), c.Deployment.Status.ReadyReplicas
		if c.Deployment.Spec.Replicas != nil {
			wanted = *c.Deployment.Spec.Replicas
		}
		logs := fmt.Sprintf("kubectl logs deployment/%s --namespace %s", c.Deployment.Name, c.Deployment.Namespace)
		switch {
		case wanted == 0:
			all = append(all, broken(check, c.Name()+" is scaled to zero", fmt.Sprintf("kubectl scale deployment/%s --namespace %s --replicas=2", c.Deployment.Name, c.Deployment.Namespace))...)
		case ready == 0:
			all = append(all, broken(check, fmt.Sprintf("no replica of %s is ready", c.Name()), logs)...)
		case ready < wanted:
			all = append(all, warning(check, fmt.Sprintf("%d of %d replicas of %s are ready", ready, wanted, c.Name()), logs)...)
		default:
			all = append(all, ok(check, "%d of %d replicas of %s are ready", ready, wanted, c.Name())...)
		}
		if c.ConfigError != nil {
			all = append(all, finding.Finding{Check: check, State: finding.Unknown, Message: c.ConfigError.Error(), Remedy: "use the plugin of the controller's version, and see that its ConfigMap exists"})
		}
	}
	return all
}

// checkPods is for whoever may not list Deployments.
func checkPods(f *facts) []finding.Finding {
	const check = "controller"
	if f.pods.err != nil {
		return unseen(check, "list Deployments", f.controllers.err)
	}
	ready := 0
	for i := range f.pods.value {
		if isReady(&f.pods.value[i]) {
			ready++
		}
	}
	if ready == 0 {
		return broken(check, fmt.Sprintf("no pod of a controller is ready %s", place(f.namespace)), "kubectl get pods --namespace "+cmp.Or(f.namespace, defaultNamespace)+" --selector "+podSelector)
	}
	return ok(check, "%d pods are ready %s", ready, place(f.namespace))
}

func isReady(pod *corev1.Pod) bool {
	return slices.ContainsFunc(pod.Status.Conditions, func(c corev1.PodCondition) bool {
		return c.Type == corev1.PodReady && c.Status == corev1.ConditionTrue
	})
}

// image returns the controller's image, "" if it is not known.
func (f *facts) image() string {
	if c := f.controller(); c != nil {
		return c.Image
	}
	for i := range f.pods.value {
		for _, container := range f.pods.value[i].Spec.Containers {
			if container.Name == "controller" {
				return container.Image
			}
		}
	}
	return ""
}

func place(namespace string) string {
	if namespace == "" {
		return "in any namespace"
	}
	return "in the namespace " + namespace
}

func checkRights(f *facts) []finding.Finding {
	const check = "rights"
	switch {
	case f.count == 0 && f.missing.err == nil:
		return nil // there is no controller
	case f.missing.err != nil:
		return unseen(check, "ask what the controller may do (create subjectaccessreviews)", f.missing.err)
	case len(f.missing.value) > 0:
		return broken(check, "the controller may not "+joined(f.missing.value), "apply the RBAC of its version again; docs/permissions.md says what each permission is for")
	}
	return ok(check, "the controller has the %d permissions that it needs", f.count)
}

func checkInstaller(f *facts) []finding.Finding {
	const check = "installer"
	switch {
	case f.cannot.err != nil:
		return unseen(check, "ask what you may do (create selfsubjectaccessreviews)", f.cannot.err)
	case len(f.cannot.value) > 0:
		return broken(check, "you may not "+joined(f.cannot.value), "have a cluster administrator install the controller, or grant you that")
	}
	return ok(check, "you may install the controller %s", place(f.namespace))
}

// maxRights is how many rights a message names.
const maxRights = 8

func joined(rights []right) string {
	var names []string
	for _, r := range rights {
		names = append(names, r.String())
	}
	if more := len(names) - maxRights; more > 0 {
		names = append(names[:maxRights], fmt.Sprintf("and %d more", more))
	}
	return strings.Join(names, ", ")
}
