package kit

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"

	"kube-aws-iam-controller/test/cluster"
)

// Objects are those of a namespace. What waits does so by a watch, and for no longer than a time.
type Objects struct {
	Access    *cluster.Access
	Namespace string
	// As is who looks at them, nil for an administrator.
	As kubernetes.Interface
	// Within is how long what happens at once may take.
	Within time.Duration
}

// In returns the objects of a namespace.
func In(access *cluster.Access, namespace string) Objects {
	return Objects{Access: access, Namespace: namespace, Within: Within}
}

func (o Objects) client() kubernetes.Interface {
	if o.As != nil {
		return o.As
	}
	return o.Access.Client()
}

// Account creates a ServiceAccount with annotations, whose keys are without the prefix.
func (o Objects) Account(ctx context.Context, name string, annotations map[string]string) (*corev1.ServiceAccount, error) {
	return o.client().CoreV1().ServiceAccounts(o.Namespace).Create(ctx, NewAccount(name, annotations), metav1.CreateOptions{})
}

// prefix is that of annotations.
const prefix = "iam.amazonaws.com/"

// NewAccount is a ServiceAccount with annotations, whose keys may be without the prefix.
func NewAccount(name string, annotations map[string]string) *corev1.ServiceAccount {
	account := &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Name: name, Annotations: map[string]string{}}}
	for key, value := range annotations {
		if !strings.Contains(key, "/") {
			key = prefix + key
		}
		account.Annotations[key] = value
	}
	return account
}

// Secret waits until there is a Secret of which is returns nil.
func (o Objects) Secret(ctx context.Context, name string, is func(*corev1.Secret) error) (found *corev1.Secret, err error) {
	secrets := o.client().CoreV1().Secrets(o.Namespace)
	err = until(ctx, o.Within, secrets, named(name), func(ctx context.Context) (err error) {
		if found, err = secrets.Get(ctx, name, metav1.GetOptions{}); err == nil && is != nil {
			err = is(found)
		}
		return err
	})
	return found, err
}

// NoSecret waits until there is no such Secret.
func (o Objects) NoSecret(ctx context.Context, name string) error {
	secrets := o.client().CoreV1().Secrets(o.Namespace)
	return until(ctx, o.Within, secrets, named(name), func(ctx context.Context) error {
		_, err := secrets.Get(ctx, name, metav1.GetOptions{})
		return IsGone("the Secret "+name, err)
	})
}

// NoAccount waits until there is no such ServiceAccount.
func (o Objects) NoAccount(ctx context.Context, name string) error {
	accounts := o.client().CoreV1().ServiceAccounts(o.Namespace)
	return until(ctx, o.Within, accounts, named(name), func(ctx context.Context) error {
		_, err := accounts.Get(ctx, name, metav1.GetOptions{})
		return IsGone("the ServiceAccount "+name, err)
	})
}

// UntilAccount waits until there is a ServiceAccount of which is returns nil.
func (o Objects) UntilAccount(ctx context.Context, name string, is func(*corev1.ServiceAccount) error) error {
	accounts := o.client().CoreV1().ServiceAccounts(o.Namespace)
	return until(ctx, o.Within, accounts, named(name), func(ctx context.Context) error {
		found, err := accounts.Get(ctx, name, metav1.GetOptions{})
		if err != nil {
			return err
		}
		return is(found)
	})
}

// IsGone returns nil for the answer that there is no such object.
func IsGone(what string, err error) error {
	if err == nil {
		return fmt.Errorf("%s is still there", what)
	}
	return IgnoreNotFound(err)
}

// IgnoreNotFound returns nil for the answer that there is no such object, and what else it is given.
func IgnoreNotFound(err error) error {
	if apierrors.IsNotFound(err) {
		return nil
	}
	return err
}

// Said is an event that is waited for. What is empty is not looked at.
type Said struct {
	Kind, Name, Reason string
	// Type is Normal or Warning.
	Type string
	// Text is in the message.
	Text string
	// Times is how often it was said at least.
	Times int32
}

// Event waits for an event and returns its message.
func (o Objects) Event(ctx context.Context, said Said) (message string, err error) {
	events := o.client().CoreV1().Events(o.Namespace)
	options := metav1.ListOptions{FieldSelector: said.selector()}
	err = until(ctx, o.Within, events, options, func(ctx context.Context) error {
		list, failed := events.List(ctx, options)
		if failed != nil {
			return failed
		}
		others := []error{fmt.Errorf("no event %+v", said)}
		for i := range list.Items {
			e := &list.Items[i]
			if strings.Contains(e.Message, said.Text) && e.Count >= said.Times {
				message = e.Message
				return nil
			}
			others = append(others, fmt.Errorf("but %s, %d times: %q", e.Reason, e.Count, e.Message))
		}
		return errors.Join(others...)
	})
	return message, err
}

func (s Said) selector() string {
	var all []string
	for _, pair := range [][2]string{{"involvedObject.kind", s.Kind}, {"involvedObject.name", s.Name}, {"reason", s.Reason}, {"type", s.Type}} {
		if pair[1] != "" {
			all = append(all, pair[0]+"="+pair[1])
		}
	}
	return strings.Join(all, ",")
}
