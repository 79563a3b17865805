package gather

import (
	"context"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"kube-aws-iam-controller/internal/cli/command"
	"kube-aws-iam-controller/internal/cli/explain/chain"
	"kube-aws-iam-controller/internal/cli/installation"
	"kube-aws-iam-controller/internal/identity"
)

// A Reader reads facts.
type Reader struct {
	clients     *command.Clients
	controllers *installation.Finder
	now         func() time.Time
}

// New returns a Reader of a cluster.
func New(clients *command.Clients, controllers *installation.Finder) *Reader {
	return &Reader{clients: clients, controllers: controllers, now: time.Now}
}

// Pod returns the facts about a pod and the identity that it has or is to have.
func (r *Reader) Pod(ctx context.Context, namespace, name string) *chain.Facts {
	f := &chain.Facts{Now: r.now(), PodName: name, Key: identity.Key{Source: identity.ServiceAccount, Namespace: namespace}}
	pod, err := r.clients.Core.CoreV1().Pods(namespace).Get(ctx, name, metav1.GetOptions{})
	f.Pod = fact(request{"get", "pods", namespace}, pod, err)
	r.installation(ctx, f)
	if f.Pod.Value == nil {
		f.Refused = r.refusals(ctx, namespace, name)
		return f
	}
	if f.Key.Name = pod.Spec.ServiceAccountName; f.Key.Name == "" {
		f.Key.Name = "default"
	}
	r.account(ctx, f)
	if f.Account.Unknown == "" && f.Request().Desired == nil {
		r.otherIdentity(ctx, f)
	}
	f.PodEvents = r.events(ctx, namespace, about("Pod", pod))
	r.keys(ctx, f)
	r.identity(ctx, f)
	return f
}

// Identity returns the facts about a ServiceAccount or AWSIAMRole, and the pods that use it.
func (r *Reader) Identity(ctx context.Context, key identity.Key) *chain.Facts {
	f := &chain.Facts{Now: r.now(), Key: key}
	r.installation(ctx, f)
	if key.Source == identity.ServiceAccount {
		r.account(ctx, f)
		f.Refused = r.refusals(ctx, key.Namespace, "")
	} else {
		r.role(ctx, f)
	}
	pods, err := r.clients.Core.CoreV1().Pods(key.Namespace).List(ctx, metav1.ListOptions{})
	f.Pods = as(fact(request{"list", "pods", key.Namespace}, pods, err), func(list *corev1.PodList) []corev1.Pod { return users(f, list) })
	r.identity(ctx, f)
	return f
}

// users returns the pods of a list that use the identity.
func users(f *chain.Facts, list *corev1.PodList) []corev1.Pod {
	var all []corev1.Pod
	for i := range list.Items {
		if f.Uses(&list.Items[i]) {
			all = append(all, list.Items[i])
		}
	}
	return all
}

// installation reads what is installed, which does not depend on the object.
func (r *Reader) installation(ctx context.Context, f *chain.Facts) {
	f.Namespace = r.metadata(ctx, corev1.SchemeGroupVersion.WithResource("namespaces"), "", f.Key.Namespace)
	r.installed(ctx, f)
	r.admission(ctx, f)
}

// identity reads what belongs to the identity.
func (r *Reader) identity(ctx context.Context, f *chain.Facts) {
	r.dropped(ctx, f)
	f.Events = r.events(ctx, f.Key.Namespace, reported(f))
	f.Secret = r.metadata(ctx, corev1.SchemeGroupVersion.WithResource("secrets"), f.Key.Namespace, f.SecretName())
	if f.NeedsTrustPolicy() {
		role, _ := f.RoleReference()
		f.IAM = readRole(ctx, role)
	}
}

// metadata reads the metadata of an object alone: of Secrets nothing else is ever read.
func (r *Reader) metadata(ctx context.Context, resource schema.GroupVersionResource, namespace, name string) chain.Fact[*metav1.PartialObjectMetadata] {
	object, err := r.clients.Metadata.Resource(resource).Namespace(namespace).Get(ctx, name, metav1.GetOptions{})
	return fact(request{"get", resource.Resource, namespace}, object, err)
}
