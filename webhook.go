package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/go-kit/log/level"
	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/sync/errgroup"
	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	corev1 "k8s.io/api/core/v1"

	"kube-aws-iam-controller/internal/admission"
	"kube-aws-iam-controller/internal/certificates"
	"kube-aws-iam-controller/internal/config"
	"kube-aws-iam-controller/internal/httpserver"
	"kube-aws-iam-controller/internal/identity"
	"kube-aws-iam-controller/internal/kube"
	"kube-aws-iam-controller/internal/telemetry"
)

const (
	// webhookName is that of the Service, of the Secret with the certificate,
	// and of the MutatingWebhookConfiguration.
	webhookName = name + "-webhook"
	// webhookLinger is how long a pod under way may go on being admitted at
	// the end.
	webhookLinger = 5 * time.Second
)

// certified is where the webhook's certificate comes from.
type certified interface {
	Certificate(*tls.ClientHelloInfo) (*tls.Certificate, error)
	Ready() error
	Expiration() time.Time
}

// webhook mutates pods, on every replica.
type webhook struct {
	server      *httpserver.Server
	certificate certified
	// accounts is the cache of ServiceAccounts.
	accounts *kube.Informer
	// keep renews the certificate, nil where something else does.
	keep func(ctx context.Context) error
}

// openWebhook wires the webhook, if there is to be one.
func (c *controller) openWebhook(ctx context.Context, own string, registry *prometheus.Registry) error {
	if c.config.WebhookListenAddress == "" {
		return nil
	}
	w := &webhook{accounts: c.sources[0].objects}
	if err := w.certify(c, own); err != nil {
		return err
	}
	if err := telemetry.RegisterWebhookCertificate(registry, w.certificate.Expiration); err != nil {
		return fmt.Errorf("register metrics: %w", err)
	}
	if c.config.SidecarImage == "" {
		level.Warn(c.logger).Log("msg", "pods with the delivery endpoint are refused until --credentials-server-image is given")
	}
	mux := http.NewServeMux()
	mux.Handle("POST "+admission.Path, &admission.Webhook{
		Settings: podSettings(&c.config),
		Account:  c.injection,
		Observe:  c.metrics.ObserveWebhook,
		Logger:   c.logger,
	})
	var err error
	w.server, err = httpserver.Listen(ctx, c.config.WebhookListenAddress, httpserver.Options{
		Handler: mux,
		TLS:     &tls.Config{MinVersion: tls.VersionTLS12, GetCertificate: w.certificate.Certificate},
		Linger:  webhookLinger,
		Logger:  c.logger,
	})
	if err != nil {
		return fmt.Errorf("listen for pods to mutate: %w", err)
	}
	c.webhook = w
	return nil
}

// podSettings are what the installation says about pods.
func podSettings(c *config.Config) admission.Settings {
	return admission.Settings{DefaultRegion: c.DefaultRegion, Sidecar: admission.Sidecar{
		Image:           c.SidecarImage,
		ImagePullPolicy: c.SidecarPullPolicy,
		Requests:        c.SidecarRequests,
		Limits:          c.SidecarLimits,
		SecurityContext: c.SidecarSecurityContext,
	}}
}

// injection returns what the pods of a ServiceAccount are given: nothing in a
// namespace that is not this controller's.
func (c *controller) injection(ctx context.Context, namespace, account string) (*identity.Injection, error) {
	if c.config.Namespace != "" && c.config.Namespace != namespace {
		return nil, nil //nolint:nilnil // as if it asked for nothing
	}
	return c.accounts.Injection(ctx, namespace, account)
}

// certify decides where the certificate comes from.
func (w *webhook) certify(c *controller, own string) (err error) {
	if c.config.WebhookCertFile != "" {
		w.certificate, err = certificates.OpenFiles(c.config.WebhookCertFile, c.config.WebhookKeyFile, c.logger)
		return err
	}
	if own == "" {
		return errors.New("outside a cluster the webhook needs --webhook-cert-file and --webhook-key-file, or the variable POD_NAMESPACE")
	}
	keeper := certificates.NewKeeper(c.clients.Core, own, webhookName, c.logger)
	secret, err1 := c.clients.NamedInformer(corev1.SchemeGroupVersion.WithResource("secrets"), own, webhookName)
	configuration, err2 := c.clients.NamedInformer(
		admissionregistrationv1.SchemeGroupVersion.WithResource("mutatingwebhookconfigurations"), "", webhookName)
	if err = errors.Join(err1, err2); err != nil {
		return err
	}
	w.certificate = keeper
	w.keep = func(ctx context.Context) error {
		var group errgroup.Group
		for _, informer := range []*kube.Informer{secret, configuration} {
			if err := keeper.Watch(informer); err != nil {
				return err
			}
			group.Go(func() error { informer.RunWithContext(ctx); return nil })
		}
		keeper.Run(ctx)
		return group.Wait()
	}
	return nil
}

// run serves until ctx is done.
func (w *webhook) run(ctx context.Context) error {
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error { return w.server.Serve(ctx) })
	if w.keep != nil {
		group.Go(func() error { return w.keep(ctx) })
	}
	return group.Wait()
}

// ready returns nil when pods can be mutated: with a certificate, and a cache
// that is filled, without which each pod would cost a request.
func (w *webhook) ready() error {
	return errors.Join(w.accounts.Ready(), w.certificate.Ready())
}
