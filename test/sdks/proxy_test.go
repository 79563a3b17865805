package sdks

import (
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"slices"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"kube-aws-iam-controller/internal/identity"
)

// What is said of an SDK in a container that has HTTP_PROXY.
const (
	direct  = "not used"
	proxied = "used, unless `NO_PROXY` has `127.0.0.1`"
)

// behindProxy finds out whether an SDK asks the endpoint through the proxy that HTTP_PROXY names. That one is outside the pod,
// whose loopback interface it does not reach.
func (w *world) behindProxy(t *testing.T, tried *trial) {
	t.Helper()
	if slices.Contains(tried.kind.cannot, identity.DeliverEndpoint) {
		return
	}
	var asked atomic.Int32
	forward := &httputil.ReverseProxy{Rewrite: func(*httputil.ProxyRequest) {}}
	proxy := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		if r.URL.Host == endpointAddress {
			asked.Add(1)
			http.Error(rw, "the proxy does not reach the pod", http.StatusBadGateway)
			return
		}
		forward.ServeHTTP(rw, r)
	}))
	t.Cleanup(proxy.Close)
	answer := w.firstCall(t, tried, "HTTP_PROXY="+proxy.URL, "http_proxy="+proxy.URL)
	if asked.Load() == 0 {
		tried.proxied = direct
		assert.Contains(t, answer, whoIs(identity.DeliverEndpoint))
		return
	}
	tried.proxied = proxied
	assert.NotContains(t, answer, whoIs(identity.DeliverEndpoint))
	before := asked.Load()
	answer = w.firstCall(t, tried, "HTTP_PROXY="+proxy.URL, "http_proxy="+proxy.URL, "NO_PROXY=127.0.0.1", "no_proxy=127.0.0.1")
	assert.Contains(t, answer, whoIs(identity.DeliverEndpoint))
	assert.Equal(t, before, asked.Load(), "NO_PROXY is not heeded")
}

// firstCall is the answer to the first call of a program with the endpoint and further variables.
func (w *world) firstCall(t *testing.T, tried *trial, variables ...string) string {
	t.Helper()
	p := &program{kind: tried.kind, command: tried.command, env: slices.Concat(w.containers[identity.DeliverEndpoint].env, variables)}
	require.NoError(t, p.start(w.aws.URL()))
	defer p.end()
	return p.call(t.Context(), w.aws.URL())
}
