package app

import (
	"context"
	"crypto/tls"
	"fmt"

	"github.com/prometheus/client_golang/prometheus"
	"k8s.io/client-go/util/cert"

	"kube-aws-iam-controller/internal/certificates"
	"kube-aws-iam-controller/internal/delegatedauth"
	"kube-aws-iam-controller/internal/telemetry"
)

// openMetrics opens the listeners of metrics and probes. If metrics require
// authorization, they are not served with the probes.
func (c *controller) openMetrics(ctx context.Context, registry *prometheus.Registry) (err error) {
	opts := telemetry.ServerOptions{
		Address: c.config.ListenAddress, Metrics: registry, Logger: c.logger,
		Health:    []telemetry.Check{{Name: "workers", Test: func() error { return c.queue.Alive(stuckTimeout) }}},
		Readiness: c.readiness(),
	}
	if c.config.MetricsSecureListenAddress != "" {
		opts.Metrics = nil
		if err = c.openSecureMetrics(ctx, registry); err != nil {
			return err
		}
	}
	c.server, err = telemetry.Listen(ctx, opts)
	return err
}

func (c *controller) openSecureMetrics(ctx context.Context, registry *prometheus.Registry) error {
	serving, err := c.metricsCertificate()
	if err != nil {
		return fmt.Errorf("certificate for metrics: %w", err)
	}
	filter := delegatedauth.New(c.clients.TokenReviews(), c.clients.SubjectAccessReviews(), telemetry.MetricsPath, c.logger)
	c.secureMetrics, err = telemetry.ListenSecure(ctx, telemetry.SecureOptions{
		Address: c.config.MetricsSecureListenAddress, Metrics: registry, Authorize: filter.Wrap, Logger: c.logger,
		TLS: &tls.Config{MinVersion: tls.VersionTLS12, GetCertificate: serving},
	})
	return err
}

// metricsCertificate returns the certificate from the files, or a self-signed one,
// which encrypts tokens but proves nothing.
func (c *controller) metricsCertificate() (func(*tls.ClientHelloInfo) (*tls.Certificate, error), error) {
	if c.config.MetricsCertFile != "" {
		files, err := certificates.OpenFiles(c.config.MetricsCertFile, c.config.MetricsKeyFile, c.logger)
		if err != nil {
			return nil, err
		}
		return files.Certificate, nil
	}
	certificate, key, err := cert.GenerateSelfSignedCertKey(name, nil, nil)
	if err != nil {
		return nil, err
	}
	pair, err := tls.X509KeyPair(certificate, key)
	return func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return &pair, nil }, err
}
