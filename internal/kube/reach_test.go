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

// silent accepts connections and never answers.
func silent(t *testing.T) string {
	t.Helper()
	l, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { _ = l.Close() })
	return "http://" + l.Addr().String()
}

// awaiting waits for the API server in the background.
func awaiting(t *testing.T, url string) (*buffer, <-chan struct{}) {
	t.Helper()
	logged := &buffer{}
	clients, err := Connect(Options{APIServer: url, QPS: 100, UserAgent: "test", Logger: log.NewLogfmtLogger(logged)})
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	reached := make(chan struct{})
	go func() {
		clients.AwaitReachable(ctx)
		if ctx.Err() == nil {
			close(reached)
		}
	}()
	t.Cleanup(cancel)
	return logged, reached
}

func TestAnAPIServerThatCannotBeReachedIsNamedWithinSeconds(t *testing.T) {
	refusing, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	require.NoError(t, err)
	require.NoError(t, refusing.Close())
	for name, tc := range map[string]struct{ url, says string }{
		"one that is silent":    {silent(t), "no answer within 3s"},
		"one that is not there": {"http://" + refusing.Addr().String(), "connection refused"},
		"a name that is none":   {"http://api.invalid:6443", "api.invalid"},
	} {
		t.Run(name, func(t *testing.T) {
			logged, _ := awaiting(t, tc.url)
			require.Eventually(t, func() bool { return strings.Contains(logged.String(), tc.says) }, 20*time.Second, 10*time.Millisecond)
			assert.Contains(t, logged.String(), "address="+tc.url)
			assert.Contains(t, logged.String(), "trying again until it can")
		})
	}
}

func TestAnAPIServerThatAnswersIsAskedOnce(t *testing.T) {
	for name, code := range map[string]int{"well": 200, "with a refusal": 401} {
		t.Run(name, func(t *testing.T) {
			var asked atomic.Int64
			s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				asked.Add(1)
				fail(w, code, metav1.StatusReasonUnauthorized)
			}))
			t.Cleanup(s.Close)
			logged, reached := awaiting(t, s.URL)
			<-reached
			assert.Empty(t, logged.String())
			assert.Equal(t, int64(1), asked.Load())
		})
	}
}

func TestAnAPIServerThatComesBackIsTold(t *testing.T) {
	var away atomic.Bool
	away.Store(true)
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		if away.Load() {
			fail(w, 503, metav1.StatusReasonServiceUnavailable)
			return
		}
		fail(w, 200, "")
	}))
	t.Cleanup(s.Close)
	logged, reached := awaiting(t, s.URL)
	require.Eventually(t, func() bool { return strings.Contains(logged.String(), "cannot be reached") }, 20*time.Second, 10*time.Millisecond)
	away.Store(false)
	<-reached
	assert.Contains(t, logged.String(), "the API server answers")
	assert.Equal(t, 1, strings.Count(logged.String(), "cannot be reached"), "not said with each try")
}
