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
	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/client-go/tools/cache"

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
	// webhookGrace is how long requests may go on after shutdown has begun.
	webhookGrace = 5 * time.Second
	// outdatedReplicas are those of versions that answer at admission.Path alone.
	outdatedReplicas = "app.kubernetes.io/name=" + name + ",iam.amazonaws.com/webhook-path!=secret"
	// running leaves out pods that have ended, which may be there for days.
	running = "status.phase!=Failed,status.phase!=Succeeded"
)

// connectionLimits limit the connections of clients that are not known to be the API
// server. A connection carries up to 64 requests at once, and an API server has some
// hundred requests in flight.
var connectionLimits = httpserver.Limits{PerAddress: 32, Total: 128, Waiting: 1024}

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
	// keeper is nil where something else keeps the certificate.
	keeper *certificates.Keeper
	// clients are those whose certificates are accepted, nil where none are needed.
	clients     *certificates.Clients
	connections *httpserver.Connections
	// keep renews the certificate, nil where something else does.
	keep func(ctx context.Context) error
}

// openWebhook wires the webhook, if there is to be one.
func (c *controller) openWebhook(ctx context.Context, own string, registry *prometheus.Registry) error {
	if c.config.WebhookListenAddress == "" {
		return nil
	}
	w := &webhook{accounts: c.sources[0].objects, connections: httpserver.NewConnections(connectionLimits)}
	if err := w.certify(c, own); err != nil {
		return err
	}
	if err := w.restrict(c); err != nil {
		return err
	}
	if err := telemetry.RegisterWebhookCertificate(registry, w.certificate.Expiration); err != nil {
		return fmt.Errorf("register metrics: %w", err)
	}
	if c.config.SidecarImage == "" {
		level.Warn(c.logger).Log("msg", "pods with the delivery endpoint are refused until --credentials-server-image is given")
	}
	var err error
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
	c.webhook = w
	return nil
}

// restrict decides whose certificates are asked for.
func (w *webhook) restrict(c *controller) (err error) {
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

// handler answers at the path and below it, and where the API server calls a
// webhook whose configuration names no path.
func (w *webhook) handler(c *controller) http.Handler {
	answers := &admission.Webhook{
		Settings:     podSettings(&c.config),
		Injection:    c.injection,
		IsAPIServer:  w.isAPIServer,
		AllowUnknown: w.allowUnknown,
		Observe:      c.metrics.ObserveWebhook,
		Logger:       c.logger,
	}
	mux := http.NewServeMux()
	for _, path := range []string{"/{$}", admission.Path, admission.Path + "/{token}"} {
		mux.Handle("POST "+path, answers)
	}
	return mux
}

// known says whether a request is the API server's: by its certificate, without
// which nobody comes so far, or by the path that its configuration says.
func (w *webhook) isAPIServer(r *http.Request) bool {
	if w.clients == nil && (w.keeper == nil || !w.keeper.Known(r.URL.Path)) {
		return false
	}
	w.connections.Trust(r.Context())
	return true
}

// open says whether the API server may be among those who are not known.
func (w *webhook) allowUnknown(r *http.Request) bool {
	return w.keeper == nil || w.keeper.Open(r.Context(), r.URL.Path)
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
func (c *controller) injection(ctx context.Context, stranger, namespace, account string) (*identity.Injection, error) {
	if c.config.Namespace != "" && c.config.Namespace != namespace {
		return nil, nil //nolint:nilnil // as if it asked for nothing
	}
	return c.accounts.Injection(ctx, stranger, namespace, account)
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
	keeper := certificates.NewKeeper(c.clients.Core, own, webhookName, admission.Path, c.logger)
	secret, err1 := c.clients.NamedInformer(corev1.SchemeGroupVersion.WithResource("secrets"), own, webhookName)
	configuration, err2 := c.clients.NamedInformer(
		admissionregistrationv1.SchemeGroupVersion.WithResource("mutatingwebhookconfigurations"), "", webhookName)
	outdated, err3 := c.clients.SelectedInformer(corev1.SchemeGroupVersion.WithResource("pods"), own, outdatedReplicas, running)
	if err = errors.Join(err1, err2, err3); err != nil {
		return err
	}
	keeper.Outdated = func() (int, error) { return len(outdated.GetStore().ListKeys()), outdated.Ready() }
	w.certificate, w.keeper = keeper, keeper
	w.keep = func(ctx context.Context) error { return keep(ctx, keeper, outdated, secret, configuration) }
	return nil
}

// keep keeps a certificate until ctx is done, with what is watched meanwhile.
func keep(ctx context.Context, keeper *certificates.Keeper, outdated *kube.Informer, others ...*kube.Informer) error {
	var group errgroup.Group
	for _, informer := range append(others, outdated) {
		if err := keeper.Watch(informer); err != nil {
			return err
		}
		group.Go(func() error { informer.RunWithContext(ctx); return nil })
	}
	group.Go(func() error { // an empty cache says nothing when it is filled
		if cache.WaitFor(ctx, "replicas of versions before", outdated.HasSyncedChecker()) {
			keeper.LookAgain()
		}
		return nil
	})
	keeper.Run(ctx)
	return group.Wait()
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
