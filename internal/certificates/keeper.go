package certificates

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync/atomic"
	"time"

	"github.com/go-kit/log"
	"github.com/go-kit/log/level"
	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/cache"
)

const (
	fieldManager = "kube-aws-iam-controller-webhook"

	firstBackoff = time.Second
	maxBackoff   = time.Minute
)

// A Keeper keeps a Bundle in a Secret that all replicas share, and its CAs in the
// MutatingWebhookConfiguration.
type Keeper struct {
	Client kubernetes.Interface
	// Namespace is the namespace of the Secret. Name is the name of the Secret and of the
	// MutatingWebhookConfiguration.
	Namespace, Name string
	// Names are the DNS names in the certificate.
	Names []string
	// Path is the path of the webhook. A token follows that only the configuration
	// contains.
	Path string
	// Outdated counts the replicas of older versions, which answer at Path only. While
	// there are any, or it returns an error, the path in the configuration has no token.
	// nil is as if it always returned an error.
	Outdated func() (int, error)
	Logger   log.Logger

	serving atomic.Pointer[tls.Certificate]
	callers callers
	changed chan struct{}
}

// NewKeeper returns a Keeper of the webhook behind a Service of the same name.
func NewKeeper(client kubernetes.Interface, namespace, name, path string, logger log.Logger) *Keeper {
	return &Keeper{
		Path:   path,
		Client: client, Namespace: namespace, Name: name, Logger: logger,
		// localhost is for an API server on the same host.
		Names:   []string{name + "." + namespace + ".svc", "localhost"},
		changed: make(chan struct{}, 1),
	}
}

// Watch triggers a sync whenever an object of the informer changes: the Secret, the
// MutatingWebhookConfiguration, or an outdated replica.
func (k *Keeper) Watch(informer cache.SharedInformer) error {
	trigger := func(any) { k.LookAgain() }
	_, err := informer.AddEventHandler(cache.ResourceEventHandlerFuncs{
		AddFunc: trigger, UpdateFunc: func(_, cur any) { trigger(cur) }, DeleteFunc: trigger,
	})
	if err != nil {
		return fmt.Errorf("watch what the webhook's certificate is kept in: %w", err)
	}
	return nil
}

// LookAgain triggers a sync.
func (k *Keeper) LookAgain() {
	select {
	case k.changed <- struct{}{}:
	default: // already triggered
	}
}

// Certificate implements GetCertificate of a tls.Config.
func (k *Keeper) Certificate(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	if err := k.Ready(); err != nil {
		return nil, err
	}
	return k.serving.Load(), nil
}

// Ready returns nil while there is a valid certificate.
func (k *Keeper) Ready() error { return valid(k.serving.Load()) }

// Expiration returns when the certificate expires, the zero Time if there is none.
func (k *Keeper) Expiration() time.Time { return expiration(k.serving.Load()) }

// Run keeps the certificate until ctx is done.
func (k *Keeper) Run(ctx context.Context) {
	backoff := firstBackoff
	for {
		again, err := k.sync(ctx)
		switch {
		case ctx.Err() != nil:
			return
		case err != nil:
			level.Warn(k.Logger).Log("msg", "the webhook's certificate cannot be kept", "again", backoff, "err", err)
			again, backoff = backoff, min(2*backoff, maxBackoff)
		default:
			backoff = firstBackoff
		}
		timer := time.NewTimer(again)
		select {
		case <-ctx.Done():
		case <-timer.C:
		case <-k.changed:
		}
		timer.Stop()
	}
}

// sync renews the Secret if that is due, updates the configuration, and returns when to
// sync again. A new certificate is served only once the configuration has its CA.
func (k *Keeper) sync(ctx context.Context) (again time.Duration, err error) {
	secret, have, err := k.read(ctx)
	if err != nil {
		return 0, err
	}
	webhooks, err := k.Client.AdmissionregistrationV1().MutatingWebhookConfigurations().Get(ctx, k.Name, metav1.GetOptions{})
	if apierrors.IsNotFound(err) {
		level.Warn(k.Logger).Log("msg", "no pod is mutated: there is no MutatingWebhookConfiguration of this name", "name", k.Name)
		webhooks, err = &admissionregistrationv1.MutatingWebhookConfiguration{}, nil
	}
	if err != nil {
		return 0, fmt.Errorf("read the MutatingWebhookConfiguration: %w", err)
	}
	bundle, err := Renew(time.Now(), have, k.Names, have != nil && trusted(webhooks, have))
	if err != nil {
		return 0, err
	}
	if bundle.Token == "" { // a replica of an older version wrote it
		next := *bundle
		next.Token = cmp.Or(k.callers.current(), newToken())
		bundle = &next
	}
	if bundle != have {
		if err := k.write(ctx, secret, bundle); err != nil {
			return 0, err
		}
		level.Info(k.Logger).Log("msg", "the webhook's certificate was renewed", "expires", bundle.Serving.Leaf.NotAfter, "authorities", len(bundle.Authorities))
	}
	if err := k.announce(ctx, webhooks, bundle); err != nil {
		return 0, err
	}
	k.serving.Store(bundle.Serving)
	// With jitter, so that replicas do not renew at the same time.
	return max(0, time.Until(bundle.NextRenewal())) + rand.N(time.Minute), nil //nolint:gosec // jitter needs no secret randomness
}

// read returns the Secret and its bundle, which is nil if there is no valid one.
func (k *Keeper) read(ctx context.Context) (*corev1.Secret, *Bundle, error) {
	secret, err := k.Client.CoreV1().Secrets(k.Namespace).Get(ctx, k.Name, metav1.GetOptions{})
	if apierrors.IsNotFound(err) {
		return nil, nil, nil
	}
	if err != nil {
		return nil, nil, fmt.Errorf("read the webhook's Secret: %w", err)
	}
	bundle, err := decode(secret.Data)
	if err != nil {
		level.Warn(k.Logger).Log("msg", "the webhook's Secret is made anew", "err", err)
		return secret, nil, nil
	}
	return secret, bundle, nil
}

// write stores a bundle. It fails if another replica was faster.
func (k *Keeper) write(ctx context.Context, secret *corev1.Secret, bundle *Bundle) error {
	data, err := bundle.encode()
	if err != nil {
		return err
	}
	secrets := k.Client.CoreV1().Secrets(k.Namespace)
	if secret == nil {
		_, err = secrets.Create(ctx, &corev1.Secret{
			ObjectMeta: metav1.ObjectMeta{Name: k.Name, Labels: map[string]string{
				"app.kubernetes.io/name": "kube-aws-iam-controller", "app.kubernetes.io/component": "webhook",
			}},
			Type: corev1.SecretTypeTLS,
			Data: data,
		}, metav1.CreateOptions{FieldManager: fieldManager})
	} else {
		secret.Data = data
		_, err = secrets.Update(ctx, secret, metav1.UpdateOptions{FieldManager: fieldManager})
	}
	if err != nil {
		return fmt.Errorf("write the webhook's Secret: %w", err)
	}
	return nil
}

func valid(c *tls.Certificate) error {
	switch now := time.Now(); {
	case c == nil:
		return errors.New("there is no certificate yet")
	case now.After(c.Leaf.NotAfter):
		return fmt.Errorf("the certificate ran out at %s", c.Leaf.NotAfter.Format(time.RFC3339))
	default:
		return nil
	}
}

func expiration(c *tls.Certificate) time.Time {
	if c == nil {
		return time.Time{}
	}
	return c.Leaf.NotAfter
}
