package certificates

import (
	"cmp"
	"context"
	"crypto/tls"
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
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/tools/cache"
)

const (
	fieldManager = "kube-aws-iam-controller-webhook"

	firstBackoff = time.Second
	maxBackoff   = time.Minute
)

// Secrets is a client for the Secrets of the Keeper's namespace.
type Secrets interface {
	Get(ctx context.Context, name string, opts metav1.GetOptions) (*corev1.Secret, error)
	Create(ctx context.Context, secret *corev1.Secret, opts metav1.CreateOptions) (*corev1.Secret, error)
	Update(ctx context.Context, secret *corev1.Secret, opts metav1.UpdateOptions) (*corev1.Secret, error)
}

// Webhooks is a client for MutatingWebhookConfigurations.
type Webhooks interface {
	Get(ctx context.Context, name string, opts metav1.GetOptions) (*admissionregistrationv1.MutatingWebhookConfiguration, error)
	Patch(ctx context.Context, name string, kind types.PatchType, patch []byte, opts metav1.PatchOptions, subresources ...string) (
		*admissionregistrationv1.MutatingWebhookConfiguration, error)
}

// A Keeper stores a Bundle in a Secret that all replicas share, and writes its CAs to the
// MutatingWebhookConfiguration. It renews the Bundle before it expires.
type Keeper struct {
	Secrets  Secrets
	Webhooks Webhooks
	// Namespace is the namespace of the Secret. Name is the name of the Secret and of the
	// MutatingWebhookConfiguration.
	Namespace, Name string
	// Names are the DNS names in the certificate.
	Names []string
	// Path is the base path of the webhook. The configured path appends a token to it,
	// which only the MutatingWebhookConfiguration and the Secret contain.
	Path string
	// Outdated returns the number of replicas of older versions, which serve Path only.
	// While it is above zero, the configured path has no token. An error, or a nil
	// Outdated, leaves the configured path unchanged.
	Outdated func() (int, error)
	Logger   log.Logger

	serving atomic.Pointer[tls.Certificate]
	callers callers
	changed chan struct{}
}

// NewKeeper returns a Keeper for the webhook of the Service name.
func NewKeeper(secrets Secrets, webhooks Webhooks, namespace, name, path string, logger log.Logger) *Keeper {
	return &Keeper{
		Secrets: secrets, Webhooks: webhooks,
		Path: path, Namespace: namespace, Name: name, Logger: logger,
		// localhost serves an API server on the same host.
		Names:   []string{name + "." + namespace + ".svc", "localhost"},
		changed: make(chan struct{}, 1),
	}
}

// Watch triggers a sync on every event of the informer. Watched are the Secret, the
// MutatingWebhookConfiguration and the replicas of older versions.
func (k *Keeper) Watch(informer cache.SharedInformer) error {
	trigger := func(any) { k.LookAgain() }
	_, err := informer.AddEventHandler(cache.ResourceEventHandlerFuncs{
		AddFunc: trigger, UpdateFunc: func(_, cur any) { trigger(cur) }, DeleteFunc: trigger,
	})
	if err != nil {
		return fmt.Errorf("watch the webhook's Secret and configuration: %w", err)
	}
	return nil
}

// LookAgain triggers a sync.
func (k *Keeper) LookAgain() {
	select {
	case k.changed <- struct{}{}:
	default: // a sync is already pending
	}
}

// Run syncs until ctx is done: when a renewal is due, on a trigger, and with backoff
// after an error.
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

// sync renews the Secret if that is due, updates the MutatingWebhookConfiguration, and
// returns the delay until the next sync. A new certificate is served only after its CA is
// in the configuration.
func (k *Keeper) sync(ctx context.Context) (again time.Duration, err error) {
	secret, have, err := k.read(ctx)
	if err != nil {
		return 0, err
	}
	webhooks, err := k.configuration(ctx)
	if err != nil {
		return 0, err
	}
	bundle, err := Renew(time.Now(), have, k.Names, have != nil && trusted(webhooks, have))
	if err != nil {
		return 0, err
	}
	if bundle.Token == "" { // written by a replica of an older version
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
	// Jitter keeps replicas from renewing at the same time.
	return max(0, time.Until(bundle.NextRenewal())) + rand.N(time.Minute), nil //nolint:gosec // jitter needs no secret randomness
}

// configuration returns the MutatingWebhookConfiguration, an empty one if it does not
// exist.
func (k *Keeper) configuration(ctx context.Context) (*admissionregistrationv1.MutatingWebhookConfiguration, error) {
	found, err := k.Webhooks.Get(ctx, k.Name, metav1.GetOptions{})
	switch {
	case apierrors.IsNotFound(err):
		level.Warn(k.Logger).Log("msg", "no pod is mutated: there is no MutatingWebhookConfiguration of this name", "name", k.Name)
		return &admissionregistrationv1.MutatingWebhookConfiguration{}, nil
	case err != nil:
		return nil, fmt.Errorf("read the MutatingWebhookConfiguration: %w", err)
	}
	return found, nil
}
