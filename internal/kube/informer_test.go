package kube

import (
	"bytes"
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-kit/log"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// api is an API server that fails with refuse while that is not zero, and otherwise returns empty lists.
type api struct {
	refuse atomic.Int32
	asked  atomic.Int64 // requests
}

func (a *api) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	a.asked.Add(1)
	w.Header().Set("Content-Type", "application/json")
	if code := int(a.refuse.Load()); code != 0 {
		reason := map[int]metav1.StatusReason{403: metav1.StatusReasonForbidden, 404: metav1.StatusReasonNotFound, 500: metav1.StatusReasonInternalError}[code]
		fail(w, code, reason)
		return
	}
	if !r.URL.Query().Has("watch") {
		_, _ = w.Write([]byte(`{"kind":"PartialObjectMetadataList","apiVersion":"meta.k8s.io/v1","metadata":{"resourceVersion":"1"},"items":[]}`))
		return
	}
	if r.URL.Query().Get("sendInitialEvents") == "true" {
		_, _ = w.Write([]byte(`{"type":"BOOKMARK","object":{"kind":"PartialObjectMetadata","apiVersion":"meta.k8s.io/v1","metadata":{"resourceVersion":"1","annotations":{"k8s.io/initial-events-end":"true"}}}}` + "\n"))
	}
	if flusher, ok := w.(http.Flusher); ok {
		flusher.Flush()
	}
	<-r.Context().Done()
}

func fail(w http.ResponseWriter, code int, reason metav1.StatusReason) {
	w.WriteHeader(code)
	_ = json.NewEncoder(w).Encode(metav1.Status{
		TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: "Status"}, Status: metav1.StatusFailure, Code: int32(code), Reason: reason,
	})
}

// buffer is a log for concurrent writes and reads.
type buffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *buffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *buffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

func keep(obj any) (any, error) { return obj, nil }

func watching(t *testing.T, code int) (*Informer, *api, *buffer) {
	t.Helper()
	server := &api{}
	server.refuse.Store(int32(code))
	s := httptest.NewServer(server)
	t.Cleanup(s.CloseClientConnections)
	logged := &buffer{}
	clients, err := Connect(Options{APIServer: s.URL, QPS: 100, UserAgent: "test", Logger: log.NewLogfmtLogger(logged)})
	require.NoError(t, err)
	informer, err := clients.MetadataInformer(corev1.SchemeGroupVersion.WithResource("secrets"), "ns", "a=b", keep)
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { defer close(done); informer.RunWithContext(ctx) }()
	t.Cleanup(func() { cancel(); <-done })
	return informer, server, logged
}

func TestInformerIsReadyAfterSync(t *testing.T) {
	informer, _, _ := watching(t, 0)
	require.Eventually(t, func() bool { return informer.Ready() == nil }, time.Minute, 10*time.Millisecond)
	assert.True(t, informer.HasSynced())
}

func TestRefusedInformerSettlesAndRetries(t *testing.T) {
	for _, code := range []int{http.StatusForbidden, http.StatusNotFound} {
		informer, server, logged := watching(t, code)
		require.Eventually(t, informer.Refused, time.Minute, 10*time.Millisecond)
		require.ErrorContains(t, informer.Ready(), "cache of secrets is not filled yet")
		server.refuse.Store(0)
		require.Eventually(t, informer.HasSynced, time.Minute, 10*time.Millisecond, "the informer retries")
		assert.False(t, informer.Refused())
		assert.Equal(t, 1, strings.Count(logged.String(), "not served until the API server allows it"), "logged once")
	}
}

func TestServerErrorIsNotRefusal(t *testing.T) {
	informer, _, _ := watching(t, http.StatusInternalServerError)
	assert.Never(t, func() bool { return informer.Ready() == nil || informer.Refused() }, 500*time.Millisecond, 20*time.Millisecond)
}

func TestConnectReportsInvalidOptions(t *testing.T) {
	t.Setenv("KUBERNETES_SERVICE_HOST", "")
	_, err := Connect(Options{})
	require.ErrorContains(t, err, "give --kubeconfig or --apiserver")
	_, err = Connect(Options{Kubeconfig: filepath.Join(t.TempDir(), "none")})
	require.ErrorContains(t, err, "read kubeconfig")
	bad := filepath.Join(t.TempDir(), "config")
	require.NoError(t, os.WriteFile(bad, []byte("{"), 0o600))
	_, err = Connect(Options{Kubeconfig: bad})
	require.ErrorContains(t, err, "read kubeconfig")
}
