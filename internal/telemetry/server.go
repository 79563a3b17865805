package telemetry

import (
	"context"
	"fmt"
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"kube-aws-iam-controller/internal/httpserver"
)

// linger is how long a scrape under way may go on at the end.
const linger = time.Second

// maxScrapes is how many may ask for metrics at once. Any Pod of the cluster
// can, and with tens of thousands of identities each answer takes megabytes.
const maxScrapes = 4

// Listen returns a server of /metrics, /healthz and /readyz. The address is
// bound at once.
func Listen(ctx context.Context, address string, metrics prometheus.Gatherer, health, readiness []Check) (*httpserver.Server, error) {
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", promhttp.HandlerFor(metrics, promhttp.HandlerOpts{MaxRequestsInFlight: maxScrapes}))
	mux.Handle("GET /healthz", checked(health))
	mux.Handle("GET /readyz", checked(readiness))
	server, err := httpserver.Listen(ctx, address, httpserver.Options{Handler: mux, Linger: linger})
	if err != nil {
		return nil, fmt.Errorf("listen for metrics and probes: %w", err)
	}
	return server, nil
}
