package check

import (
	"context"
	"fmt"
	"strings"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"kube-aws-iam-controller/internal/api"
	"kube-aws-iam-controller/internal/cli/finding"
	"kube-aws-iam-controller/internal/identity"
	"kube-aws-iam-controller/internal/serviceaccount"
)

// probe is a pod as the API server would create it.
type probe struct {
	// of is the ServiceAccount as namespace/name, "" if none was tried.
	of  string
	pod *corev1.Pod
}

// checkInjection says whether a new pod is given credentials, which is what admission
// is for, whatever its parts look like.
func checkInjection(f *facts) []finding.Finding {
	const check = "injection"
	tried := f.probe.value
	if tried.of == "" || !f.hasAdmission() {
		return nil
	}
	if err := f.probe.err; err != nil {
		return warning(check, fmt.Sprintf("a pod of the ServiceAccount %s is rejected (nothing was created): %v", tried.of, err),
			"see whether it is about credentials: docs/troubleshooting.md")
	}
	for i := range tried.pod.Spec.Volumes {
		if source := tried.pod.Spec.Volumes[i].Secret; source != nil && strings.HasSuffix(source.SecretName, api.SecretSuffix) {
			return ok(check, "a pod of the ServiceAccount %s is given its credentials (nothing was created)", tried.of)
		}
	}
	return broken(check, fmt.Sprintf("a pod of the ServiceAccount %s is given no credentials (nothing was created)", tried.of),
		"see what keeps the policy or webhook from it, such as selectors: docs/admission.md")
}

func (f *facts) hasAdmission() bool {
	return f.webhook() != nil || f.policies.value.mutating[account]
}

// readProbe creates a pod of a ServiceAccount with credentials as a dry run, which stores
// nothing. Whoever may not create pods there tries none.
func (r *reader) readProbe(ctx context.Context) {
	namespace, name := r.probed(ctx)
	if name == "" {
		return
	}
	pod, err := r.clients.Core.CoreV1().Pods(namespace).Create(ctx, probePod(name), metav1.CreateOptions{DryRun: []string{metav1.DryRunAll}})
	if apierrors.IsForbidden(err) && strings.Contains(err.Error(), "cannot create resource") {
		return
	}
	r.facts.probe = answer[probe]{value: probe{of: namespace + "/" + name, pod: pod}, err: err}
}

// probed returns a ServiceAccount with credentials whose pods are to be given them, ""
// if there is none. The webhook leaves kube-system out.
func (r *reader) probed(ctx context.Context) (namespace, name string) {
	const enough = 20
	for i := range min(len(r.facts.issued.value), enough) {
		secret := &r.facts.issued.value[i]
		namespace, name = secret.Namespace, strings.TrimSuffix(secret.Name, api.SecretSuffix)
		if namespace == metav1.NamespaceSystem || namespace == r.home {
			continue
		}
		object, err := r.clients.Metadata.Resource(serviceaccount.Resource).Namespace(namespace).Get(ctx, name, metav1.GetOptions{})
		if err != nil {
			continue
		}
		request := serviceaccount.Read(object, serviceaccount.Config{
			ExternalID:  func(string) string { return "" },
			Annotations: serviceaccount.Annotations{IRSA: r.settings.IRSAAnnotations.Read()},
		})
		if request.Injection != nil && request.InjectionErr == nil && request.Injection.Delivery == identity.DeliverProcess {
			return namespace, name
		}
	}
	return "", ""
}

// probePod is admitted under Pod Security restricted.
func probePod(name string) *corev1.Pod {
	return &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{GenerateName: "kubectl-aws-iam-check-"},
		Spec: corev1.PodSpec{
			ServiceAccountName: name, AutomountServiceAccountToken: new(false),
			SecurityContext: &corev1.PodSecurityContext{RunAsNonRoot: new(true), SeccompProfile: &corev1.SeccompProfile{Type: corev1.SeccompProfileTypeRuntimeDefault}},
			Containers: []corev1.Container{{
				Name: "probe", Image: "probe",
				SecurityContext: &corev1.SecurityContext{AllowPrivilegeEscalation: new(false), Capabilities: &corev1.Capabilities{Drop: []corev1.Capability{"ALL"}}},
			}},
		},
	}
}
