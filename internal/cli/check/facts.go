package check

import (
	"time"

	admissionv1 "k8s.io/api/admissionregistration/v1"
	appsv1 "k8s.io/api/apps/v1"
	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"kube-aws-iam-controller/internal/cli/installation"
)

// answer is what the API server answered.
type answer[T any] struct {
	value T
	err   error
}

// facts are all that the checks depend on.
type facts struct {
	// plugin is the version of this program.
	plugin string
	// before reports that the checks are those before an installation.
	before bool
	// namespace is where the controller is, or is to be.
	namespace string
	// now is the time according to the API server, local the time here at that moment.
	now, local time.Time
	// serverVersion is that of the API server.
	serverVersion answer[string]
	// own reports that this program runs as the controller's own ServiceAccount.
	own bool

	controllers answer[[]*installation.Controller]
	pods        answer[[]corev1.Pod]
	account     answer[*corev1.ServiceAccount]
	// missing are the rights that the controller needs and does not have; count is how
	// many it needs.
	missing answer[[]right]
	count   int
	// cannot are the rights that whoever installs needs and does not have.
	cannot answer[[]right]

	// crd is the CustomResourceDefinition, nil if there is none; served reports whether
	// the API server serves AWSIAMRoles.
	crd    answer[*unstructured.Unstructured]
	served answer[bool]

	policies  answer[registered]
	webhooks  answer[[]admissionv1.MutatingWebhookConfiguration]
	endpoints answer[int]

	probe answer[probe]

	// lease is nil if there is none.
	lease    answer[*coordinationv1.Lease]
	warnings answer[[]corev1.Event]
	// issued is the metadata of Secrets with credentials.
	issued answer[[]metav1.PartialObjectMetadata]

	daemonSets  answer[[]appsv1.DaemonSet]
	deployments answer[[]appsv1.Deployment]
}

// registered are the admission policies, and their bindings by the name of their policy.
type registered struct {
	mutating, validating map[string]bool
	mutatingBound        map[string]bool
	// validatingBound reports whether a policy is bound with the action Deny.
	validatingBound map[string]bool
}

// controller returns the controller that is checked, nil if it is not known.
func (f *facts) controller() *installation.Controller {
	if len(f.controllers.value) == 0 {
		return nil
	}
	return f.controllers.value[0]
}
