package kube

import (
	"context"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"github.com/go-kit/log"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	authenticationv1 "k8s.io/api/authentication/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/metadata"
)

// recorder is an API server that records the last request, and has nothing.
type recorder struct {
	mu   sync.Mutex
	last *http.Request
}

func (r *recorder) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.last = req
	w.Header().Set("Content-Type", "application/json")
	fail(w, http.StatusNotFound, metav1.StatusReasonNotFound)
}

// recording returns the clients of a recorder.
func recording(t *testing.T, opts Options) (*Clients, *recorder) {
	t.Helper()
	r := &recorder{}
	s := httptest.NewServer(r)
	t.Cleanup(s.Close)
	opts.APIServer, opts.UserAgent, opts.Logger = s.URL, "test/v1", log.NewNopLogger()
	clients, err := Connect(opts)
	require.NoError(t, err)
	return clients, r
}

func getNamespace(ctx context.Context, client metadata.Interface) error {
	_, err := client.Resource(corev1.SchemeGroupVersion.WithResource("namespaces")).Get(ctx, "ns", metav1.GetOptions{})
	return err
}

func getLease(ctx context.Context, c *Clients) error {
	_, err := c.Leases("ns").Get(ctx, "a", metav1.GetOptions{})
	return err
}

func review(ctx context.Context, c *Clients) error {
	_, err := c.TokenReviews().Create(ctx, &authenticationv1.TokenReview{}, metav1.CreateOptions{})
	return err
}

func TestRequestsOfEachClient(t *testing.T) {
	clients, server := recording(t, Options{QPS: 100})
	for name, tc := range map[string]struct {
		call     func(context.Context, *Clients) error
		timeout  string
		protobuf bool
	}{
		"core":                {requests["core"], "30s", true},
		"events":              {requests["events"], "30s", true},
		"reviews":             {review, "30s", true},
		"lease":               {getLease, "5s", true},
		"metadata":            {requests["metadata"], "30s", false},
		"lookup":              {requests["lookup"], "30s", false},
		"untrusted":           {requests["untrusted"], "30s", false},
		"roles":               {requests["roles"], "30s", false},
		"watches of metadata": {func(ctx context.Context, c *Clients) error { return getNamespace(ctx, c.watchingMetadata) }, "", false},
		"watches of roles": {func(ctx context.Context, c *Clients) error {
			_, err := c.watchingRoles.Namespace("ns").Get(ctx, "a", metav1.GetOptions{})
			return err
		}, "", false},
	} {
		t.Run(name, func(t *testing.T) {
			require.Error(t, tc.call(t.Context(), clients))
			assert.Equal(t, "test/v1", server.last.UserAgent())
			assert.Equal(t, tc.timeout, server.last.URL.Query().Get("timeout"), "a timeout would end a watch")
			if tc.protobuf {
				assert.Equal(t, "application/vnd.kubernetes.protobuf,application/json", server.last.Header.Get("Accept"))
			}
		})
	}
}

func TestReviewsAreNotFenced(t *testing.T) {
	clients, server := recording(t, Options{QPS: 100, Allowed: func() error { return errNotAllowed }})
	err := review(t.Context(), clients)
	require.NotErrorIs(t, err, errNotAllowed, "standbys serve metrics, too")
	assert.Equal(t, "/apis/authentication.k8s.io/v1/tokenreviews", server.last.URL.Path)
}

// isAnswer says whether an error is the answer of the recorder, not one of the client.
func isAnswer(err error) bool { return apierrors.IsNotFound(err) }

// The rate of these tests is so low that there is one request of each client, and no other for minutes.
func TestLookupsGoAheadWhereTheRateIsUsedUp(t *testing.T) {
	clients, _ := recording(t, Options{QPS: 0.01})
	send := func(call request) bool {
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		return isAnswer(call(ctx, clients))
	}
	assert.True(t, send(requests["core"]))
	for _, name := range []string{"core", "metadata", "roles", "events"} {
		assert.False(t, send(requests[name]), name)
	}
	for _, name := range []string{"lookup", "untrusted"} {
		assert.True(t, send(requests[name]), name)
		assert.False(t, send(requests[name]), "%s has a rate of its own", name)
	}
	assert.False(t, send(review), "reviews wait as well")
	for range leaseBurst {
		assert.True(t, send(getLease), "the Lease waits for nobody")
	}
}

func TestRatesOfEachClient(t *testing.T) {
	clients, _ := recording(t, Options{QPS: 40})
	for name, tc := range map[string]struct{ got, want float32 }{
		"core":    {clients.core.GetRateLimiter().QPS(), 40},
		"events":  {clients.events.GetRateLimiter().QPS(), 10},
		"lease":   {clients.lease.GetRateLimiter().QPS(), leaseQPS},
		"reviews": {clients.tokenReviews.GetRateLimiter().QPS(), 10},
	} {
		assert.InDelta(t, tc.want, tc.got, 0, name)
	}
	clients, _ = recording(t, Options{QPS: 8000})
	assert.InDelta(t, reviewsQPS, clients.tokenReviews.GetRateLimiter().QPS(), 0, "anybody can cause them")
}
