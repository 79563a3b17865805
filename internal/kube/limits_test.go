package kube

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/go-kit/log"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/metadata"
	"k8s.io/client-go/util/flowcontrol"
)

var errNotAllowed = errors.New("not allowed")

// counting starts an API server that counts requests.
func counting(t *testing.T) (url string, requested *atomic.Int64) {
	t.Helper()
	requested = &atomic.Int64{}
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		requested.Add(1)
		w.Header().Set("Content-Type", "application/json")
		fail(w, http.StatusNotFound, metav1.StatusReasonNotFound)
	}))
	t.Cleanup(s.Close)
	return s.URL, requested
}

// A request uses one of the clients.
type request func(ctx context.Context, c *Clients) error

var requests = map[string]request{
	"core": func(ctx context.Context, c *Clients) error {
		return c.Secrets("ns").Delete(ctx, "a", metav1.DeleteOptions{})
	},
	"events": func(ctx context.Context, c *Clients) error {
		return c.Events("ns").Delete(ctx, "a", metav1.DeleteOptions{})
	},
	"metadata":  func(ctx context.Context, c *Clients) error { return deleteSecret(ctx, c.Metadata) },
	"lookup":    func(ctx context.Context, c *Clients) error { return deleteSecret(ctx, c.Lookup) },
	"untrusted": func(ctx context.Context, c *Clients) error { return deleteSecret(ctx, c.LookupUntrusted) },
	"roles": func(ctx context.Context, c *Clients) error {
		return c.Roles.Namespace("ns").Delete(ctx, "a", metav1.DeleteOptions{})
	},
}

func deleteSecret(ctx context.Context, client metadata.Interface) error {
	return client.Resource(corev1.SchemeGroupVersion.WithResource("secrets")).Namespace("ns").Delete(ctx, "a", metav1.DeleteOptions{})
}

func deleteLease(ctx context.Context, c *Clients) error {
	return c.Leases("ns").Delete(ctx, "a", metav1.DeleteOptions{})
}

func TestClientsShareRateOfProcess(t *testing.T) {
	url, requested := counting(t)
	clients, err := Connect(Options{APIServer: url, QPS: 4, UserAgent: "test", Logger: log.NewNopLogger()})
	require.NoError(t, err)
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	for range 20 {
		for _, call := range requests {
			_ = call(ctx, clients)
		}
	}
	// A burst of 8 of the process, and 2 and 1 of the clients that are ahead.
	assert.LessOrEqual(t, requested.Load(), int64(8+3+1))
	require.Error(t, requests["core"](ctx, clients), "the rate is used up")

	before := requested.Load()
	require.True(t, apierrors.IsNotFound(deleteLease(t.Context(), clients)))
	assert.Equal(t, before+1, requested.Load(), "the Lease is not limited")
}

func TestAdmissionPrecedesOtherRequestsAndCounts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		rates := newRates(4)
		work, events, admission := rates.work, rates.events, rates.admission
		for range 8 {
			require.True(t, work.TryAccept())
		}
		for range 40 { // at 4 per second
			go work.Accept()
		}
		synctest.Wait()
		begin := time.Now()
		require.NoError(t, admission.Wait(t.Context()))
		require.NoError(t, admission.Wait(t.Context()))
		assert.Zero(t, time.Since(begin))
		require.NoError(t, admission.Wait(t.Context()))
		assert.Equal(t, time.Second, time.Since(begin), "at most a quarter of the rate")
		require.NoError(t, work.Wait(t.Context()))
		assert.GreaterOrEqual(t, time.Since(begin), 10*time.Second+500*time.Millisecond, "admission consumes the rate of the process")
		assert.InDelta(t, 4, work.QPS(), 0)
		for _, s := range []flowcontrol.RateLimiter{events, admission} {
			assert.InDelta(t, 1, s.QPS(), 0)
			s.Stop()
		}
	})
}

func TestUntrustedLookupsDoNotDelayAdmission(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		rates := newRates(8)
		flood, end := context.WithCancel(t.Context())
		defer end()
		for range 1000 {
			go func() { _ = rates.untrusted.Wait(flood) }()
		}
		time.Sleep(time.Second)
		begin := time.Now()
		require.NoError(t, rates.admission.Wait(t.Context()))
		assert.Zero(t, time.Since(begin))
		require.NoError(t, rates.work.Wait(t.Context()))
		assert.LessOrEqual(t, time.Since(begin), time.Second)
		end()
		synctest.Wait()
	})
}

func TestWritesAreRejectedUnlessAllowed(t *testing.T) {
	url, requested := counting(t)
	var allowed atomic.Bool
	clients, err := Connect(Options{APIServer: url, QPS: 100, UserAgent: "test", Logger: log.NewNopLogger(), Allowed: func() error {
		if allowed.Load() {
			return nil
		}
		return errNotAllowed
	}})
	require.NoError(t, err)
	for name, call := range requests {
		t.Run(name, func(t *testing.T) {
			before := requested.Load()
			require.ErrorIs(t, call(t.Context(), clients), errNotAllowed)
			assert.Equal(t, before, requested.Load())
			allowed.Store(true)
			require.NotErrorIs(t, call(t.Context(), clients), errNotAllowed)
			assert.Equal(t, before+1, requested.Load())
			allowed.Store(false)
		})
	}
	_, err = clients.Secrets("ns").Get(t.Context(), "a", metav1.GetOptions{})
	require.NotErrorIs(t, err, errNotAllowed, "reads are not fenced")
	require.NotErrorIs(t, deleteLease(t.Context(), clients), errNotAllowed, "the Lease is not fenced")
}

func TestOnlyAdmissionDoesNotWaitForTheProcess(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		rates := newRates(8)
		assert.InDelta(t, 1, rates.untrusted.QPS(), 0, "half as many as of the API server")
		for range 16 {
			require.True(t, rates.work.TryAccept())
		}
		assert.False(t, rates.work.TryAccept())
		assert.False(t, rates.events.TryAccept())
		assert.True(t, rates.admission.TryAccept())
		assert.True(t, rates.untrusted.TryAccept())
	})
}

// body is the body of a request.
type body struct {
	io.Reader

	closed bool
}

func (b *body) Close() error { b.closed = true; return nil }

func TestFenceIsATransportLikeAnother(t *testing.T) {
	next := http.DefaultTransport
	f := &fenced{allowed: func() error { return errNotAllowed }, next: next}
	assert.Same(t, next, f.WrappedRoundTripper())
	b := &body{Reader: strings.NewReader("{}")}
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://127.0.0.1:1", b)
	require.NoError(t, err)
	_, err = f.RoundTrip(req) //nolint:bodyclose // there is no response
	require.ErrorIs(t, err, errNotAllowed)
	assert.True(t, b.closed, "a transport closes the body, also if it fails")
}
