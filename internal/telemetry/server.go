package telemetry

import (
	"context"
	"crypto/tls"
	"fmt"
	"net/http"
	"time"

	"github.com/go-kit/log"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"kube-aws-iam-controller/internal/httpserver"
)

const (
	// shutdownGrace is how long requests may go on after shutdown has begun.
	shutdownGrace = time.Second
	// maxConnections is enough for the probes of one kubelet and several scrapers.
	// Beyond it the address with the most connections loses its oldest.
	maxConnections = 256
	// idleTimeout is short: kubelets do not keep connections alive, and a scraper may
	// open a new one each time.
	idleTimeout = 35 * time.Second
)

// ServerOptions are the options of Listen.
type ServerOptions struct {
	Address string
	// Metrics is nil if metrics are not served here.
	Metrics prometheus.Gatherer
	// Health and Readiness are the checks of the liveness and the readiness probe.
	Health, Readiness []Check
	Logger            log.Logger
}

// Listen binds the address and returns the server of /metrics, /healthz and /readyz.
func Listen(ctx context.Context, opts ServerOptions) (*httpserver.Server, error) {
	mux := http.NewServeMux()
	if opts.Metrics != nil {
		mux.Handle("GET "+MetricsPath, httpserver.LimitPerAddress(maxScrapesPerAddress, metricsHandler(opts.Metrics)))
	}
	mux.Handle("GET /healthz", probe(opts.Health))
	mux.Handle("GET /readyz", probe(opts.Readiness))
	server, err := httpserver.Listen(ctx, opts.Address, serverOptions(mux, nil, opts.Logger))
	if err != nil {
		return nil, fmt.Errorf("listen for metrics and probes: %w", err)
	}
	return server, nil
}

// MetricsPath is the path of the metrics.
const MetricsPath = "/metrics"

// SecureOptions are the options of ListenSecure.
type SecureOptions struct {
	Address string
	Metrics prometheus.Gatherer
	TLS     *tls.Config
	// Authorize refuses requests of clients that may not read the metrics.
	Authorize func(http.Handler) http.Handler
	Logger    log.Logger
}

// ListenSecure binds the address and returns the server of /metrics for authorized
// clients.
func ListenSecure(ctx context.Context, opts SecureOptions) (*httpserver.Server, error) {
	mux := http.NewServeMux()
	mux.Handle("GET "+MetricsPath, httpserver.LimitPerAddress(maxScrapesPerAddress, opts.Authorize(metricsHandler(opts.Metrics))))
	server, err := httpserver.Listen(ctx, opts.Address, serverOptions(mux, opts.TLS, opts.Logger))
	if err != nil {
		return nil, fmt.Errorf("listen for metrics: %w", err)
	}
	return server, nil
}

func serverOptions(handler http.Handler, config *tls.Config, logger log.Logger) httpserver.Options {
	return httpserver.Options{
		Handler: handler, TLS: config, ShutdownGrace: shutdownGrace, IdleTimeout: idleTimeout, Logger: logger,
		Connections: httpserver.NewConnections(httpserver.Limits{PerAddress: maxConnections, Total: maxConnections}),
	}
}

func metricsHandler(metrics prometheus.Gatherer) http.Handler {
	return newScrapeLimiter(promhttp.HandlerFor(metrics, promhttp.HandlerOpts{}))
}
