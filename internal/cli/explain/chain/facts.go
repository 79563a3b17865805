// Package chain examines what was read of a cluster, link by link, from the controller
// to the running pod. It is pure: package gather reads the facts.
package chain

import (
	"time"

	admissionv1 "k8s.io/api/admissionregistration/v1"
	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"kube-aws-iam-controller/internal/awsiamrole"
	"kube-aws-iam-controller/internal/cli/installation"
	"kube-aws-iam-controller/internal/identity"
)

// A Fact is something that the cluster was asked for.
type Fact[T any] struct {
	// Value is the zero value if it is not there or not known.
	Value T
	// Unknown is why it is not known, "" if it is, such as "you may not list pods in demo".
	Unknown string
}

// Facts are all that was read about one object.
type Facts struct {
	Now time.Time
	// Pod is the pod to explain, or nil, if PodName is set, for one that does not exist.
	PodName   string
	Pod       Fact[*corev1.Pod]
	PodEvents Fact[[]corev1.Event]
	// Refused are the events about pods that could not be created, latest first.
	Refused Fact[[]corev1.Event]

	// Key is the object that requests the identity, and the namespace of the pod.
	Key       identity.Key
	Namespace Fact[*metav1.PartialObjectMetadata]
	Account   Fact[*metav1.PartialObjectMetadata]
	// Askers are the ServiceAccounts of the namespace that request an identity. They are
	// read only if the pod's own does not.
	Askers Fact[[]string]
	Role   Fact[*awsiamrole.AWSIAMRole]
	// Dropped are the fields of AWSIAMRoles that the cluster does not keep, as far as the
	// user may see.
	Dropped []string
	Events  Fact[[]corev1.Event]
	Secret  Fact[*metav1.PartialObjectMetadata]

	Controllers Fact[[]*installation.Controller]
	// Lease is that of the controller that serves the namespace.
	Lease Fact[*coordinationv1.Lease]
	// Principal is the ARN of the controller's role as far as it can be known, else "".
	Principal string
	Admission Admission
	IAM       Fact[*IAMRole]

	// Pods are those that use the identity, if no pod is explained.
	Pods Fact[[]corev1.Pod]
	// Keys are the names of the variables in each ConfigMap and Secret that a container
	// takes variables from, by "configmap/name" and "secret/name".
	Keys map[string]Fact[[]string]
}

// Admission is what gives pods their credentials.
type Admission struct {
	Policy        Fact[*admissionv1.MutatingAdmissionPolicy]
	PolicyBinding Fact[*admissionv1.MutatingAdmissionPolicyBinding]
	Webhook       Fact[*admissionv1.MutatingWebhook]
	// Endpoints is how many addresses of the webhook's Service are ready.
	Endpoints Fact[int]
	// Guard reports that the policy for who may use Secrets exists, GuardBound that it is
	// in force.
	Guard      Fact[bool]
	GuardBound Fact[bool]
}

// IAMRole is a role as IAM shows it to the user.
type IAMRole struct {
	// Exists is false if the account of the user's credentials, which is that of the
	// role, has no such role.
	Exists bool
	ARN    string
	// Trust is the trust policy as JSON.
	Trust string
}
