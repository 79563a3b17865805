package app

import (
	"context"
	"net/http"
	"testing"

	"github.com/go-kit/log"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"kube-aws-iam-controller/internal/broker"
	"kube-aws-iam-controller/internal/queue"
	"kube-aws-iam-controller/internal/telemetry"
)

func TestMetricsAreServedInOnePlace(t *testing.T) {
	for name, tc := range map[string]struct {
		secure string
		code   int
	}{
		"with the probes":              {"", http.StatusOK},
		"secured, and nowhere besides": {"127.0.0.1:0", http.StatusNotFound},
	} {
		t.Run(name, func(t *testing.T) {
			c := watchedBy(t)
			c.queue = queue.New(log.NewNopLogger(), nil, queueOf(broker.New(broker.Config{}), 1))
			c.config.ListenAddress, c.config.MetricsSecureListenAddress = "127.0.0.1:0", tc.secure
			require.NoError(t, c.openMetrics(t.Context(), prometheus.NewRegistry()))
			ctx, cancel := context.WithCancel(t.Context())
			ended := make(chan error, 2)
			go func() { ended <- c.server.Serve(ctx) }()
			defer func() { cancel(); assert.NoError(t, <-ended) }()
			resp, err := http.Get("http://" + c.server.Addr().String() + telemetry.MetricsPath)
			require.NoError(t, err)
			require.NoError(t, resp.Body.Close())
			assert.Equal(t, tc.code, resp.StatusCode)
			assert.Equal(t, tc.secure != "", c.secureMetrics != nil)
			if c.secureMetrics != nil {
				cancel()
				assert.NoError(t, c.secureMetrics.Serve(ctx), "it is closed")
			}
		})
	}
}

func TestCertificateForMetricsThatCannotBeReadIsAnError(t *testing.T) {
	c := watchedBy(t)
	c.config.MetricsSecureListenAddress, c.config.MetricsCertFile, c.config.MetricsKeyFile = "127.0.0.1:0", "none.crt", "none.key"
	assert.ErrorContains(t, c.openSecureMetrics(t.Context(), prometheus.NewRegistry()), "none.crt")
}
