package telemetry

import (
	"context"
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

// maxScrapes is how many may ask for metrics at once. Any Pod of the cluster
// can, and with tens of thousands of identities each answer takes megabytes.
const maxScrapes = 4

// ServerOptions say what to serve, and where.
type ServerOptions struct {
	Address string
	Metrics prometheus.Gatherer
	// Health and Readiness are what the probes ask.
	Health, Readiness []Check
	Logger            log.Logger
}

// Listen returns a server of /metrics, /healthz and /readyz. The address is
// bound at once.
func Listen(ctx context.Context, opts ServerOptions) (*httpserver.Server, error) {
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", promhttp.HandlerFor(opts.Metrics, promhttp.HandlerOpts{MaxRequestsInFlight: maxScrapes}))
	mux.Handle("GET /healthz", checked(opts.Health))
	mux.Handle("GET /readyz", checked(opts.Readiness))
	server, err := httpserver.Listen(ctx, opts.Address, httpserver.Options{Handler: mux, Linger: linger, Logger: opts.Logger})
	if err != nil {
		return nil, fmt.Errorf("listen for metrics and probes: %w", err)
	}
	return server, nil
}
