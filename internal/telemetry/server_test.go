package telemetry

import (
	"context"
	"crypto/tls"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/go-kit/log"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// serveSecure runs a server of metrics for those who send the token "right", and returns a function that scrapes it.
func serveSecure(t *testing.T, reg *prometheus.Registry) func(scheme, path, token string) (int, string) {
	t.Helper()
	issuer := httptest.NewTLSServer(nil)
	t.Cleanup(issuer.Close)
	server, err := ListenSecure(t.Context(), SecureOptions{
		Address: "127.0.0.1:0", Metrics: reg, Logger: log.NewNopLogger(),
		TLS: &tls.Config{Certificates: issuer.TLS.Certificates, MinVersion: tls.VersionTLS12},
		Authorize: func(next http.Handler) http.Handler {
			return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if r.Header.Get("Authorization") != "Bearer right" {
					w.WriteHeader(http.StatusUnauthorized)
					return
				}
				next.ServeHTTP(w, r)
			})
		},
	})
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- server.Serve(ctx) }()
	t.Cleanup(func() { cancel(); assert.NoError(t, <-done) })
	return func(scheme, path, token string) (int, string) {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, scheme+"://"+server.Addr().String()+path, http.NoBody)
		require.NoError(t, err)
		req.Header.Set("Authorization", "Bearer "+token)
		resp, err := issuer.Client().Do(req)
		if err != nil {
			return 0, err.Error()
		}
		defer resp.Body.Close()
		body, err := io.ReadAll(resp.Body)
		require.NoError(t, err)
		return resp.StatusCode, string(body)
	}
}

func TestSecureMetricsAreForAuthorizedClientsOverTLS(t *testing.T) {
	reg := prometheus.NewRegistry()
	reg.MustRegister(buildInfo("v1"))
	get := serveSecure(t, reg)
	code, body := get("https", MetricsPath, "right")
	assert.Equal(t, http.StatusOK, code)
	assert.Contains(t, body, `kube_aws_iam_controller_build_info{version="v1"} 1`)
	code, body = get("https", MetricsPath, "wrong")
	assert.Equal(t, http.StatusUnauthorized, code)
	assert.Empty(t, body)
	code, _ = get("http", MetricsPath, "right")
	assert.NotEqual(t, http.StatusOK, code, "tokens are not taken in the clear")
	code, _ = get("https", "/healthz", "right")
	assert.Equal(t, http.StatusNotFound, code)
}

func TestMetricsAreNotServedWithTheProbesIfTheyAreSecured(t *testing.T) {
	server, err := Listen(t.Context(), ServerOptions{Address: "127.0.0.1:0", Logger: log.NewNopLogger()})
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- server.Serve(ctx) }()
	t.Cleanup(func() { cancel(); assert.NoError(t, <-done) })
	for path, want := range map[string]int{MetricsPath: http.StatusNotFound, "/healthz": http.StatusOK, "/readyz": http.StatusOK} {
		resp, err := http.Get("http://" + server.Addr().String() + path)
		require.NoError(t, err)
		assert.Equal(t, want, resp.StatusCode, path)
		assert.NoError(t, resp.Body.Close())
	}
}

func TestProbesAreNoHTML(t *testing.T) {
	for _, check := range []Check{{Name: "<b>", Test: func() error { return nil }}, {Name: "<b>", Test: func() error { return io.EOF }}} {
		w := httptest.NewRecorder()
		probe([]Check{check}).ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/healthz", http.NoBody))
		assert.Equal(t, "text/plain; charset=utf-8", w.Header().Get("Content-Type"))
		assert.Equal(t, "nosniff", w.Header().Get("X-Content-Type-Options"))
	}
}
