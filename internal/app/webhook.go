package app

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

	"kube-aws-iam-controller/internal/admission"
	"kube-aws-iam-controller/internal/certificates"
	"kube-aws-iam-controller/internal/config"
	"kube-aws-iam-controller/internal/httpserver"
	"kube-aws-iam-controller/internal/identity"
	"kube-aws-iam-controller/internal/kube"
	"kube-aws-iam-controller/internal/telemetry"
)

const (
	// webhookName is the name of the Service, of the Secret with the certificate, and
	// of the MutatingWebhookConfiguration.
	webhookName = name + "-webhook"
	// webhookGrace is how long requests may go on after shutdown has begun.
	webhookGrace = 5 * time.Second
)

// connectionLimits limit the connections of clients that are not known to be the API
// server. A connection carries up to 64 requests at once, and an API server has some
// hundred requests in flight.
var connectionLimits = httpserver.Limits{PerAddress: 32, Total: 128, Waiting: 1024}

// webhook is the server of the mutating webhook. It runs on every replica.
type webhook struct {
	server      *httpserver.Server
	certificate certificate
	// accounts is the informer of ServiceAccounts.
	accounts *kube.Informer
	// keeper is nil if the certificate comes from files.
	keeper *certificates.Keeper
	// clients verifies client certificates, nil if none are required.
	clients     *certificates.Clients
	connections *httpserver.Connections
	// keep renews the certificate, nil if it comes from files.
	keep func(ctx context.Context) error
}

// openWebhook wires the webhook, if it is enabled.
func (c *controller) openWebhook(ctx context.Context, own string, registry *prometheus.Registry) error {
	if c.config.WebhookListenAddress == "" {
		return nil
	}
	w := &webhook{accounts: c.sources[0].objects, connections: httpserver.NewConnections(connectionLimits)}
	if err := w.openCertificate(c, own); err != nil {
		return err
	}
	if err := w.openClients(c); err != nil {
		return err
	}
	if err := telemetry.RegisterWebhookCertificate(registry, w.certificate.Expiration); err != nil {
		return fmt.Errorf("register metrics: %w", err)
	}
	if c.config.SidecarImage == "" {
		level.Warn(c.logger).Log("msg", "pods with the delivery endpoint are refused until --credentials-server-image is given")
	}
	c.webhook = w
	return w.listen(ctx, c)
}

func (w *webhook) listen(ctx context.Context, c *controller) (err error) {
	w.server, err = httpserver.Listen(ctx, c.config.WebhookListenAddress, httpserver.Options{
		Handler:       w.handler(c),
		TLS:           w.tls(),
		ShutdownGrace: webhookGrace,
		Logger:        c.logger,
		Connections:   w.connections,
	})
	if err != nil {
		return fmt.Errorf("listen for pods to mutate: %w", err)
	}
	return nil
}

// openClients reads the CAs of client certificates, if they are required.
func (w *webhook) openClients(c *controller) (err error) {
	if c.config.WebhookClientCAFile != "" {
		w.clients, err = certificates.OpenClients(c.config.WebhookClientCAFile, c.config.WebhookClientNames, c.logger)
	}
	return err
}

func (w *webhook) tls() *tls.Config {
	server := &tls.Config{MinVersion: tls.VersionTLS12, GetCertificate: w.certificate.Certificate}
	if w.clients != nil {
		return w.clients.Require(server)
	}
	return server
}

// handler serves reviews at the path, with or without a token, and at /, which the API
// server calls if the webhook's configuration has no path.
func (w *webhook) handler(c *controller) http.Handler {
	reviews := &admission.Webhook{
		Settings:     podSettings(&c.config),
		Injection:    c.injection,
		IsAPIServer:  w.isAPIServer,
		AllowUnknown: w.allowUnknown,
		Observe:      c.metrics.ObserveWebhook,

		ObserveDuration: c.metrics.ObserveWebhookDuration,
		Logger:          c.logger,
	}
	mux := http.NewServeMux()
	for _, path := range []string{"/{$}", admission.Path, admission.Path + "/{token}"} {
		mux.Handle("POST "+path, reviews)
	}
	return mux
}

// isAPIServer says whether a request is the API server's: it has a client certificate,
// if those are required, or knows the path with the token.
func (w *webhook) isAPIServer(r *http.Request) bool {
	if w.clients == nil && (w.keeper == nil || !w.keeper.Known(r.URL.Path)) {
		return false
	}
	w.connections.Trust(r.Context())
	return true
}

// allowUnknown says whether the API server may not know the path with the token yet.
func (w *webhook) allowUnknown(r *http.Request) bool {
	return w.keeper == nil || w.keeper.Open(r.Context(), r.URL.Path)
}

// podSettings returns the settings of what pods are given.
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
// namespace that this controller does not serve.
func (c *controller) injection(ctx context.Context, unknownClient, namespace, account string) (*identity.Injection, error) {
	if c.config.Namespace != "" && c.config.Namespace != namespace {
		return nil, nil //nolint:nilnil // as if it asked for nothing
	}
	return c.accounts.Injection(ctx, unknownClient, namespace, account)
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

// ready returns nil once there is a certificate, and the cache of ServiceAccounts is
// filled: before that each pod costs a request.
func (w *webhook) ready() error {
	return errors.Join(w.accounts.Ready(), w.certificate.Ready())
}
