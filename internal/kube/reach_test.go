package kube

import (
	"context"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-kit/log"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// silent starts a server that accepts connections and never responds.
func silent(t *testing.T) string {
	t.Helper()
	l, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { _ = l.Close() })
	return "http://" + l.Addr().String()
}

// awaiting calls AwaitReachable in the background. reached is closed when it returns.
func awaiting(t *testing.T, url string) (logged *buffer, reached <-chan struct{}) {
	t.Helper()
	logged = &buffer{}
	clients, err := Connect(Options{APIServer: url, QPS: 100, UserAgent: "test", Logger: log.NewLogfmtLogger(logged)})
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() {
		clients.AwaitReachable(ctx)
		if ctx.Err() == nil {
			close(done)
		}
	}()
	t.Cleanup(cancel)
	return logged, done
}

func TestUnreachableAPIServerIsLogged(t *testing.T) {
	refusing, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	require.NoError(t, err)
	require.NoError(t, refusing.Close())
	for name, tc := range map[string]struct{ url, message string }{
		"no response":        {silent(t), "no answer within 3s"},
		"connection refused": {"http://" + refusing.Addr().String(), "connection refused"},
		"unknown host":       {"http://api.invalid:6443", "api.invalid"},
	} {
		t.Run(name, func(t *testing.T) {
			logged, _ := awaiting(t, tc.url)
			require.Eventually(t, func() bool { return strings.Contains(logged.String(), tc.message) }, 20*time.Second, 10*time.Millisecond)
			assert.Contains(t, logged.String(), "address="+tc.url)
			assert.Contains(t, logged.String(), "trying again until it can")
		})
	}
}

func TestReachableAPIServerIsRequestedOnce(t *testing.T) {
	for name, code := range map[string]int{"OK": 200, "Unauthorized": 401} {
		t.Run(name, func(t *testing.T) {
			var requested atomic.Int64
			s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				requested.Add(1)
				fail(w, code, metav1.StatusReasonUnauthorized)
			}))
			t.Cleanup(s.Close)
			logged, reached := awaiting(t, s.URL)
			<-reached
			assert.Empty(t, logged.String())
			assert.Equal(t, int64(1), requested.Load())
		})
	}
}

func TestRecoveredAPIServerIsLogged(t *testing.T) {
	var down atomic.Bool
	down.Store(true)
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		if down.Load() {
			fail(w, 503, metav1.StatusReasonServiceUnavailable)
			return
		}
		fail(w, 200, "")
	}))
	t.Cleanup(s.Close)
	logged, reached := awaiting(t, s.URL)
	require.Eventually(t, func() bool { return strings.Contains(logged.String(), "cannot be reached") }, 20*time.Second, 10*time.Millisecond)
	down.Store(false)
	<-reached
	assert.Contains(t, logged.String(), "the API server answers")
	assert.Equal(t, 1, strings.Count(logged.String(), "cannot be reached"), "not logged on every attempt")
}
