package exec

import (
	"context"
	"fmt"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/duration"

	"kube-aws-iam-controller/internal/api"
	"kube-aws-iam-controller/internal/credserver"
	"kube-aws-iam-controller/internal/identity"
	"kube-aws-iam-controller/internal/secrets"
)

// secretGetter is the part of the client of Secrets that is needed.
type secretGetter interface {
	Get(ctx context.Context, name string, options metav1.GetOptions) (*corev1.Secret, error)
}

// issued are the credentials that the controller has issued to an object, as its Secret has
// them now.
type issued struct {
	client secretGetter
	key    identity.Key
	name   string

	mu   sync.Mutex
	last *credserver.Credentials
}

func newIssued(client secretGetter, key identity.Key) *issued {
	return &issued{client: client, key: key, name: secrets.Name(key.Source, key.Name)}
}

// sdkTimeout is how long the Secret may take to be read for a request of an SDK. Those of
// Python wait for two seconds.
const sdkTimeout = 1500 * time.Millisecond

// forSDK returns valid credentials. While the API server does not answer, those of before
// are served for as long as they are valid. An answer counts, whatever it is: whoever may no
// longer read the Secret gets nothing more.
func (i *issued) forSDK(ctx context.Context) (*credserver.Credentials, error) {
	ctx, cancel := context.WithTimeout(ctx, sdkTimeout)
	defer cancel()
	found, err := i.get(ctx)
	if err == nil || answered(err) {
		return found, err
	}
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.last != nil && time.Now().Before(i.last.Expires()) {
		return i.last, nil
	}
	return nil, err
}

// answered reports whether an error says something about the Secret.
func answered(err error) bool {
	_, is := err.(*refusedError) //nolint:errorlint // it is not wrapped
	return is
}

// A refusedError is why the credentials are not to be used.
type refusedError struct{ message string }

// Error returns the message.
func (e *refusedError) Error() string { return e.message }

// get reads the Secret. Errors do not quote it.
func (i *issued) get(ctx context.Context) (*credserver.Credentials, error) {
	secret, err := i.client.Get(ctx, i.name, metav1.GetOptions{})
	switch {
	case apierrors.IsNotFound(err):
		return nil, i.refused("there is no Secret %s in %s, so %s has no credentials", i.name, i.key.Namespace, i.object())
	case apierrors.IsForbidden(err):
		return nil, &refusedError{fmt.Sprintf("you may not read the Secret %s in %s: this takes the right to get it (kubectl auth can-i get secret/%s --namespace %s)",
			i.name, i.key.Namespace, i.name, i.key.Namespace)}
	case err != nil:
		return nil, fmt.Errorf("read the Secret %s in %s: %w", i.name, i.key.Namespace, err)
	}
	found, err := i.check(secret, time.Now())
	if err != nil {
		return nil, err
	}
	i.mu.Lock()
	defer i.mu.Unlock()
	i.last = found
	return found, nil
}

// check returns the credentials in a Secret if they are the controller's, and valid.
func (i *issued) check(secret *corev1.Secret, now time.Time) (*credserver.Credentials, error) {
	if _, ours := secrets.Read(identity.Desired{Key: i.key}, &secret.ObjectMeta); !ours {
		return nil, i.refused("the Secret %s in %s is not the controller's, and what is in it is not used", i.name, i.key.Namespace)
	}
	found, err := credserver.Parse(secret.Data[api.CredentialsJSONKey])
	if err != nil {
		return nil, i.refused("the Secret %s in %s cannot be used: %s", i.name, i.key.Namespace, err)
	}
	if since := now.Sub(found.Expires()); since >= 0 {
		return nil, i.refused("the credentials in the Secret %s in %s expired %s ago, at %s, and were not renewed",
			i.name, i.key.Namespace, duration.HumanDuration(since), found.Expires().UTC().Format(time.RFC3339))
	}
	return found, nil
}

// refused returns an error that points to the command that knows the cause.
func (i *issued) refused(format string, args ...any) error {
	return &refusedError{fmt.Sprintf(format, args...) + fmt.Sprintf(": kubectl aws-iam explain %s --namespace %s says why", i.object(), i.key.Namespace)}
}

// object returns kind/name, as kubectl accepts it.
func (i *issued) object() string { return string(i.key.Source) + "/" + i.key.Name }
