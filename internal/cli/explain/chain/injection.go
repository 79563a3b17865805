package chain

import (
	"fmt"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"kube-aws-iam-controller/internal/admission"
	"kube-aws-iam-controller/internal/api"
	"kube-aws-iam-controller/internal/cli/finding"
	"kube-aws-iam-controller/internal/identity"
)

// podIsGiven reports whether a pod exists whose ServiceAccount has something for it.
func podIsGiven(f *Facts) bool {
	return hasPod(f) && isServiceAccount(f) && f.Request().Injection != nil && f.Request().InjectionErr == nil
}

var injectionRules = []rule{
	// Asked for by name.
	func(f *Facts) *finding.Finding {
		if f.Request().Injection.Delivery == identity.DeliverNone {
			return warning("the ServiceAccount has the delivery none, so that its pods are given nothing",
				"mount the Secret yourself, as in docs/admission.md, or choose another delivery")
		}
		return nil
	},
	func(f *Facts) *finding.Finding {
		if f.Pod.Value.Labels[api.InjectLabel] != api.InjectDisabled {
			return nil
		}
		return broken(fmt.Sprintf("the pod has the label %s: %q, so it is given nothing", api.InjectLabel, api.InjectDisabled), "remove the label from the pod's template")
	},
	func(f *Facts) *finding.Finding {
		if _, mirror := f.Pod.Value.Annotations[corev1.MirrorPodAnnotationKey]; mirror {
			return broken("the pod is the mirror of a static pod, which gets nothing from the API server", "run it by a DaemonSet or Deployment")
		}
		return nil
	},
	func(f *Facts) *finding.Finding {
		if !f.ownVolume() {
			return nil
		}
		return broken(fmt.Sprintf("the pod has a volume %s of its own, so it is left alone", admission.VolumeName), "remove the volume and its mounts from the pod's template, or give it another name")
	},
	func(f *Facts) *finding.Finding {
		if names := f.skipped(); len(names) > 0 && len(names) == len(f.applications()) {
			return broken(fmt.Sprintf("the annotation %s names every container, so none is given credentials", api.SkipContainersAnnotation), "remove the annotation from the pod's template")
		}
		return nil
	},
	// With the endpoint nothing is mounted but in the sidecar.
	func(f *Facts) *finding.Finding {
		found := f.foreignMounts()
		if f.Request().Injection.Delivery == identity.DeliverEndpoint || len(found) == 0 || len(found)+len(f.skipped()) < len(f.applications()) {
			return nil
		}
		return mounted(found[0])
	},
	// It would be refused today, and was created before that.
	func(f *Facts) *finding.Finding {
		if _, err := f.given(); err != nil {
			return broken("the pod was created without credentials, and would be refused today: "+err.Error(), "as the message says, and create the pod again")
		}
		return nil
	},
	func(f *Facts) *finding.Finding {
		if given, _ := f.given(); given != nothing {
			return nil
		}
		asked := f.askedSince()
		if asked.After(f.Pod.Value.CreationTimestamp.Time) {
			return broken(fmt.Sprintf("the pod was created at %s, before its ServiceAccount asked for a role at %s: pods get credentials when they are created",
				f.Pod.Value.CreationTimestamp.UTC().Format(time.RFC3339), asked.UTC().Format(time.RFC3339)), f.recreate())
		}
		return broken("the pod has been given nothing: admission was not in force, or passed over it, when it was created; "+
			"its SDKs find no credentials, or the role of the node", f.recreate())
	},
	func(f *Facts) *finding.Finding {
		if given, _ := f.given(); given == wired {
			return ok(fmt.Sprintf("the pod has what the delivery %s takes", f.Request().Injection.Delivery))
		}
		return warning("the pod lacks some of what a new one would be given: it was created before the annotations were changed", f.recreate())
	},
}

// askedSince returns when the annotations that request the identity were last written.
// If the API server does not tell, it returns when the Secret was created, which is
// soon after, or the zero Time if that is unknown, too.
func (f *Facts) askedSince() (since time.Time) {
	for _, entry := range f.Account.Value.ManagedFields {
		if entry.Time != nil && entry.Time.After(since) && entry.Manager != api.ControllerName && writesRequest(entry) {
			since = entry.Time.Time
		}
	}
	if since.IsZero() && f.Secret.Value != nil {
		return f.Secret.Value.CreationTimestamp.Time
	}
	return since
}

func writesRequest(entry metav1.ManagedFieldsEntry) bool {
	if entry.FieldsV1 == nil {
		return false
	}
	fields := entry.FieldsV1.GetRawString()
	return slices.ContainsFunc([]string{api.RoleAnnotation, api.RolePolicyAnnotation, api.ManagedPoliciesAnnotation, api.IRSAAnnotation}, func(key string) bool {
		return strings.Contains(fields, `"f:`+key+`"`)
	})
}

// recreate returns the command that replaces the pod.
func (f *Facts) recreate() string {
	pod := f.Pod.Value
	owner := metav1.GetControllerOfNoCopy(pod)
	if owner == nil {
		return fmt.Sprintf("kubectl delete pod %s --namespace %s, and create it again", pod.Name, pod.Namespace)
	}
	kind, name := strings.ToLower(owner.Kind), owner.Name
	if kind == "replicaset" {
		if hash := pod.Labels["pod-template-hash"]; hash != "" {
			kind, name = "deployment", strings.TrimSuffix(name, "-"+hash)
		}
	}
	switch kind {
	case "deployment", "statefulset", "daemonset":
		return fmt.Sprintf("kubectl rollout restart %s --namespace %s", word(kind+"/"+name), pod.Namespace)
	default:
		return fmt.Sprintf("kubectl delete pod %s --namespace %s: %s/%s creates it again", pod.Name, pod.Namespace, kind, name)
	}
}
