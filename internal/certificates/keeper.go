package certificates

import (
	"bytes"
	"cmp"
	"context"
	"crypto/tls"
	"encoding/json"
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
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/cache"
)

const (
	fieldManager = "kube-aws-iam-controller-webhook"

	firstPause   = time.Second
	longestPause = time.Minute
)

// A Keeper keeps a Bundle in a Secret that all replicas share, and the API
// server told of its authorities.
type Keeper struct {
	Client kubernetes.Interface
	// Namespace is the Secret's. Name is the Secret's and the
	// MutatingWebhookConfiguration's.
	Namespace, Name string
	// Names are what the API server calls the webhook by.
	Names []string
	// Path is where the webhook answers. Below it is a name that only the
	// configuration says.
	Path string
	// Outdated counts the replicas that answer at Path alone, because they are of
	// a version before. While there are any, or that is not known, nobody is told
	// of another path. nil is for when that is never known.
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
		// localhost is for an API server beside it.
		Names:   []string{name + "." + namespace + ".svc", "localhost"},
		changed: make(chan struct{}, 1),
	}
}

// Watch looks again whenever what the informer watches changes: the Secret, the
// MutatingWebhookConfiguration, or the replicas of a version before.
func (k *Keeper) Watch(informer cache.SharedInformer) error {
	poke := func(any) { k.LookAgain() }
	_, err := informer.AddEventHandler(cache.ResourceEventHandlerFuncs{
		AddFunc: poke, UpdateFunc: func(_, cur any) { poke(cur) }, DeleteFunc: poke,
	})
	if err != nil {
		return fmt.Errorf("watch what the webhook's certificate is kept in: %w", err)
	}
	return nil
}

// LookAgain has everything looked at again.
func (k *Keeper) LookAgain() {
	select {
	case k.changed <- struct{}{}:
	default: // it has been said
	}
}

// Certificate implements the GetCertificate of a tls.Config.
func (k *Keeper) Certificate(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	if err := k.Ready(); err != nil {
		return nil, err
	}
	return k.serving.Load(), nil
}

// Ready returns nil while there is a certificate that is valid.
func (k *Keeper) Ready() error { return valid(k.serving.Load()) }

// Expiration returns when the certificate runs out, the zero Time if there is
// none.
func (k *Keeper) Expiration() time.Time { return expiration(k.serving.Load()) }

// Run keeps the certificate until ctx is done.
func (k *Keeper) Run(ctx context.Context) {
	pause := firstPause
	for {
		again, err := k.sync(ctx)
		switch {
		case ctx.Err() != nil:
			return
		case err != nil:
			level.Warn(k.Logger).Log("msg", "the webhook's certificate cannot be kept", "again", pause, "err", err)
			again, pause = pause, min(2*pause, longestPause)
		default:
			pause = firstPause
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

// sync brings the Secret, the configuration and what is served in step, and
// returns when to look again. A new certificate is served only once the API
// server has been told whom to trust.
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
	if bundle.Token == "" { // a replica of a version before wrote it
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
	// Replicas come one after the other.
	return max(0, time.Until(bundle.NextRenewal())) + rand.N(time.Minute), nil //nolint:gosec // jitter needs no secret randomness
}

// read returns the Secret and what is in it, nil if nothing that can be used.
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

// write stores a bundle, unless another replica was faster, which is an error.
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

// announce has the API server trust a bundle's authorities, and call the path that
// nobody else knows.
func (k *Keeper) announce(ctx context.Context, webhooks *admissionregistrationv1.MutatingWebhookConfiguration, bundle *Bundle) error {
	changes, closed := k.changes(webhooks, bundle)
	// Who calls the path from before is answered until all are told of the new one.
	k.callers.set(bundle.Token, closed && len(changes) == 0)
	if len(changes) == 0 {
		return nil
	}
	patch, err := json.Marshal(map[string]any{"webhooks": changes})
	if err != nil {
		return err
	}
	_, err = k.Client.AdmissionregistrationV1().MutatingWebhookConfigurations().Patch(ctx, k.Name,
		types.StrategicMergePatchType, patch, metav1.PatchOptions{FieldManager: fieldManager})
	switch {
	case apierrors.IsNotFound(err):
		return nil
	case err != nil:
		return fmt.Errorf("patch the MutatingWebhookConfiguration: %w", err)
	}
	k.callers.set(bundle.Token, closed)
	return nil
}

// changes returns what is to be patched of the webhooks, and whether all of them are
// called at the path with the token then.
func (k *Keeper) changes(webhooks *admissionregistrationv1.MutatingWebhookConfiguration, bundle *Bundle) (changes []any, closed bool) {
	path, known := k.path(bundle.Token)
	secret := k.Path + "/" + bundle.Token
	closed = len(webhooks.Webhooks) > 0
	for i := range webhooks.Webhooks {
		webhook := &webhooks.Webhooks[i]
		patch := map[string]any{}
		_, told := k.where(&webhook.ClientConfig, secret)
		if known {
			var there bool
			if patch, there = k.where(&webhook.ClientConfig, path); patch == nil {
				patch = map[string]any{}
			}
			told = path == secret && (there || len(patch) > 0)
		}
		closed = closed && told
		if !bytes.Equal(webhook.ClientConfig.CABundle, bundle.AuthoritiesPEM()) {
			patch["caBundle"] = bundle.AuthoritiesPEM()
		}
		if len(patch) > 0 {
			changes = append(changes, map[string]any{"name": webhook.Name, "clientConfig": patch})
		}
	}
	return changes, closed
}

// trusted says whether all webhooks are called with a bundle's authorities.
func trusted(webhooks *admissionregistrationv1.MutatingWebhookConfiguration, bundle *Bundle) bool {
	for i := range webhooks.Webhooks {
		if !bytes.Equal(webhooks.Webhooks[i].ClientConfig.CABundle, bundle.AuthoritiesPEM()) {
			return false
		}
	}
	return true
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
