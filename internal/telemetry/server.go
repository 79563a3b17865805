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

// linger is how long a scrape under way may go on at the end.
const linger = time.Second

const (
	// connections is room for the probes of one kubelet and several that scrape.
	// Beyond it the address with the most loses its oldest.
	connections = 256
	// idle is a moment: kubelets keep no connection, and a scraper that comes by the
	// half minute opens another.
	idle = 35 * time.Second
)

// ServerOptions say what to serve, and where.
type ServerOptions struct {
	Address string
	// Metrics is nil where they are not to be had here.
	Metrics prometheus.Gatherer
	// Health and Readiness are what the probes ask.
	Health, Readiness []Check
	Logger            log.Logger
}

// Listen returns a server of /metrics, /healthz and /readyz. The address is
// bound at once.
func Listen(ctx context.Context, opts ServerOptions) (*httpserver.Server, error) {
	mux := http.NewServeMux()
	if opts.Metrics != nil {
		mux.Handle("GET "+MetricsPath, httpserver.Limit(maxOfOne, scraped(opts.Metrics)))
	}
	mux.Handle("GET /healthz", checked(opts.Health))
	mux.Handle("GET /readyz", checked(opts.Readiness))
	server, err := httpserver.Listen(ctx, opts.Address, httpserver.Options{
		Handler: mux, Linger: linger, Connections: httpserver.NewConnections(connections, connections, 0), Idle: idle, Logger: opts.Logger,
	})
	if err != nil {
		return nil, fmt.Errorf("listen for metrics and probes: %w", err)
	}
	return server, nil
}

// MetricsPath is where metrics are.
const MetricsPath = "/metrics"

// SecureOptions say who may have metrics.
type SecureOptions struct {
	Address string
	Metrics prometheus.Gatherer
	TLS     *tls.Config
	// Allowed lets those through who may have them.
	Allowed func(http.Handler) http.Handler
	Logger  log.Logger
}

// ListenSecure returns a server of /metrics alone, for those who may have them.
func ListenSecure(ctx context.Context, opts SecureOptions) (*httpserver.Server, error) {
	mux := http.NewServeMux()
	mux.Handle("GET "+MetricsPath, httpserver.Limit(maxOfOne, opts.Allowed(scraped(opts.Metrics))))
	server, err := httpserver.Listen(ctx, opts.Address, httpserver.Options{
		Handler: mux, TLS: opts.TLS, Linger: linger, Connections: httpserver.NewConnections(connections, connections, 0), Idle: idle, Logger: opts.Logger,
	})
	if err != nil {
		return nil, fmt.Errorf("listen for metrics: %w", err)
	}
	return server, nil
}

func scraped(metrics prometheus.Gatherer) http.Handler {
	return newScrapes(promhttp.HandlerFor(metrics, promhttp.HandlerOpts{}))
}
