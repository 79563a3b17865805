package integration

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"k8s.io/client-go/rest"

	"kube-aws-iam-controller/test/kit"
)

// A witness lies between one replica and all that it calls, and remembers when what was asked for that changes
// something. It can keep the requests of the Lease from going through.
type witness struct {
	kubernetes, aws string

	mu      sync.Mutex
	effects []effect
	renewed time.Time // when the last renewal that went through was asked for
	hang    chan struct{}
}

// An effect is a write to the API server, or any call of AWS.
type effect struct {
	at   time.Time
	what string
}

// witnessed lies in front of the test's API server, which it asks as the controller's ServiceAccount, and of its AWS.
func (w *world) witnessed() *witness {
	w.t.Helper()
	access, err := w.ServiceAccountConfig(w.t.Context(), kit.Namespace, kit.Account)
	require.NoError(w.t, err)
	transport, err := rest.TransportFor(access)
	require.NoError(w.t, err)
	s := &witness{}
	s.kubernetes = w.proxy(access.Host, transport, s.seeKubernetes)
	s.aws = w.proxy(w.aws.URL(), http.DefaultTransport, s.seeAWS)
	return s
}

// proxy passes on what see lets through.
func (w *world) proxy(upstream string, transport http.RoundTripper, see func(*http.Request) error) string {
	w.t.Helper()
	target, err := url.Parse(upstream)
	require.NoError(w.t, err)
	listener, err := new(net.ListenConfig).Listen(w.t.Context(), "tcp", "127.0.0.1:0")
	require.NoError(w.t, err)
	proxy := &httputil.ReverseProxy{
		Transport: transport, FlushInterval: -1,
		// The host is part of what AWS requests are signed over.
		Rewrite:      func(r *httputil.ProxyRequest) { r.SetURL(target); r.Out.Host = r.In.Host },
		ErrorHandler: func(http.ResponseWriter, *http.Request, error) { panic(http.ErrAbortHandler) },
	}
	server := &http.Server{ReadHeaderTimeout: time.Minute, Handler: http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		if see(r) == nil {
			proxy.ServeHTTP(rw, r)
		}
	})}
	go func() { _ = server.Serve(listener) }()
	w.t.Cleanup(func() { _ = server.Close() })
	return "http://" + listener.Addr().String()
}

func (s *witness) seeKubernetes(r *http.Request) error {
	s.mu.Lock()
	hang := s.hang
	lease := strings.Contains(r.URL.Path, "/leases")
	if lease && hang == nil && r.Method == http.MethodPut {
		s.renewed = time.Now()
	}
	if !lease && r.Method != http.MethodGet {
		s.effects = append(s.effects, effect{time.Now(), r.Method + " " + r.URL.Path})
	}
	s.mu.Unlock()
	if !lease || hang == nil {
		return nil
	}
	select {
	case <-r.Context().Done():
	case <-hang:
	}
	return errors.New("hung")
}

func (s *witness) seeAWS(r *http.Request) error {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return err
	}
	r.Body = io.NopCloser(bytes.NewReader(body))
	s.mu.Lock()
	defer s.mu.Unlock()
	form, _ := url.ParseQuery(string(body))
	s.effects = append(s.effects, effect{time.Now(), form.Get("Action")})
	return nil
}

// loseLease keeps all requests of the Lease hanging from now on, and returns when the last renewal was asked for.
func (s *witness) loseLease(t *testing.T) time.Time {
	t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.hang = make(chan struct{})
	t.Cleanup(func() { close(s.hang) })
	return s.renewed
}

// after tells what was asked for after a time, "" for nothing.
func (s *witness) after(at time.Time) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	var late []effect
	for _, e := range s.effects {
		if e.at.After(at) {
			late = append(late, e)
		}
	}
	if len(late) == 0 {
		return ""
	}
	last := late[len(late)-1]
	return fmt.Sprintf("%d, the last of them %s after %s: %s", len(late), last.at.Sub(at), at, last.what)
}

// replica starts a controller behind a witness, with the flags for its Lease.
func (w *world) replica(s *witness, elect []string) *kit.Controller {
	w.t.Helper()
	binary, err := kit.Binary()
	require.NoError(w.t, err)
	c, err := kit.StartController(w.t.Context(), kit.Options{
		Binary: binary, Log: w.log, Args: append([]string{"--namespace=" + w.namespace, "--apiserver=" + s.kubernetes}, elect...),
		Env: append(slices.Clone(w.env), "KUBE_AWS_IAM_CLUSTER_NAME=test", "KUBE_AWS_IAM_DEBUG=true",
			"AWS_ENDPOINT_URL_STS="+s.aws, "AWS_ENDPOINT_URL_IAM="+s.aws),
	})
	require.NoError(w.t, err)
	w.running = append(w.running, c)
	return c
}

// busy makes a replica have work in hand all the time.
func (w *world) busy() {
	w.t.Helper()
	w.iamRole("", "app")
	w.aws.SetSession(6 * time.Second)
	w.aws.SetLatency(500 * time.Millisecond)
	for i := range 20 {
		w.account(fmt.Sprintf("app-%d", i), "app")
	}
	for i := range 20 {
		w.secret(fmt.Sprintf("app-%d.aws-iam", i), nil)
	}
}

// leaseDuration is how long a Lease that is not renewed keeps others from leading.
const leaseDuration = 15 * time.Second

func TestNothingIsDoneAfterTheLeaseIsLost(t *testing.T) {
	w := newWorld(t)
	s := w.witnessed()
	c := w.replica(s, w.lease(w.namespace))
	w.eventually(func(ctx context.Context) error { return c.Leads(ctx, 1) })
	w.busy()
	renewed := s.loseLease(t)
	require.NotZero(t, renewed)
	assert.Equal(t, 1, w.ended(c))
	ended := time.Now()
	assert.NotEmpty(t, s.after(renewed.Add(5*time.Second)), "it worked for as long as it could know that it leads")
	assert.Empty(t, s.after(renewed.Add(leaseDuration-time.Second)), "when another may lead")
	assert.Less(t, ended.Sub(renewed), leaseDuration+10*time.Second)
	log, err := c.Output()
	require.NoError(t, err)
	assert.Contains(t, log, "the lease was lost to another replica, or could not be renewed in time")
}

func TestALeaderThatWasPausedDoesNothingWhenItGoesOn(t *testing.T) {
	w := newWorld(t)
	s := w.witnessed()
	elect := w.lease(w.namespace)
	first := w.replica(s, elect)
	w.eventually(func(ctx context.Context) error { return first.Leads(ctx, 1) })
	w.busy()
	second := w.replica(w.witnessed(), elect)
	require.NoError(t, second.WaitReady(t.Context(), within))
	require.NoError(t, first.Signal(syscall.SIGSTOP))
	w.eventually(func(ctx context.Context) error { return second.Leads(ctx, 1) })
	resumed := time.Now()
	require.NoError(t, first.Signal(syscall.SIGCONT))
	assert.Equal(t, 1, w.ended(first))
	assert.Empty(t, s.after(resumed))
	require.NoError(t, second.Leads(t.Context(), 1), "the lease is not taken from the next leader")
}

func TestAStandbyTellsNothingOfIdentities(t *testing.T) {
	w := newWorld(t)
	w.iamRole("", "app")
	elect := append(w.lease(w.namespace), "--insecure-identity-metrics")
	first := w.start(elect...)
	w.eventually(func(ctx context.Context) error { return first.Leads(ctx, 1) })
	second := w.start(elect...)
	w.account("app", "app")
	w.secret("app.aws-iam", nil)
	told, err := second.Get(t.Context(), "/metrics")
	require.NoError(t, err)
	assert.NotContains(t, told, "kube_aws_iam_controller_identities{")
	assert.NotContains(t, told, "kube_aws_iam_controller_credentials_")
	assert.Contains(t, told, "kube_aws_iam_controller_is_leader 0")
	sum, err := first.Metric(t.Context(), "kube_aws_iam_controller_identities{")
	require.NoError(t, err)
	assert.InDelta(t, 1, sum, 0)
}
