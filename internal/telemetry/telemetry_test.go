package telemetry

import (
	"context"
	"errors"
	"io"
	"iter"
	"net"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-kit/log"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"k8s.io/client-go/tools/metrics"
	"k8s.io/client-go/util/workqueue"

	"kube-aws-iam-controller/internal/httpserver"
)

func listen(t *testing.T, address string, reg *prometheus.Registry, health, readiness []Check) (*httpserver.Server, error) {
	t.Helper()
	return Listen(t.Context(), ServerOptions{Address: address, Metrics: reg, Health: health, Readiness: readiness, Logger: log.NewNopLogger()})
}

func always() bool { return true }

// serve runs a server until the test ends and returns a function that sends requests.
func serve(t *testing.T, reg *prometheus.Registry, health, readiness []Check) func(method, path string) (int, string) {
	t.Helper()
	server, err := listen(t, "127.0.0.1:0", reg, health, readiness)
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- server.Serve(ctx) }()
	t.Cleanup(func() { cancel(); assert.NoError(t, <-done) })
	return func(method, path string) (int, string) {
		req, err := http.NewRequestWithContext(t.Context(), method, "http://"+server.Addr().String()+path, http.NoBody)
		require.NoError(t, err)
		resp, err := http.DefaultTransport.RoundTrip(req)
		require.NoError(t, err)
		defer resp.Body.Close()
		body, err := io.ReadAll(resp.Body)
		require.NoError(t, err)
		return resp.StatusCode, string(body)
	}
}

func TestMetricsAreServedAndDocumented(t *testing.T) {
	reg := prometheus.NewPedanticRegistry()
	m, err := NewMetrics(reg, "v1")
	require.NoError(t, err)
	m.ObserveRefresh("serviceaccount", "Missing", time.Second, nil)
	m.ObserveRefresh("awsiamrole", "NearExpiry", time.Second, errors.New("throttled"))
	m.ObserveAWSRequest("STS", "AssumeRole", "OK", 50*time.Millisecond)
	m.SetLeader(true)
	m.ObserveDrift("trust")
	m.ObserveWebhook("mutated")
	m.ObserveWebhookDuration(3 * time.Millisecond)
	m.ObserveOwnCredentialsError()
	code, body := serve(t, reg, nil, nil)(http.MethodGet, "/metrics")
	assert.Equal(t, http.StatusOK, code)
	for _, line := range []string{
		`kube_aws_iam_controller_refreshes_total{reason="Missing",result="success",source="serviceaccount"} 1`,
		`kube_aws_iam_controller_refreshes_total{reason="NearExpiry",result="error",source="awsiamrole"} 1`,
		`kube_aws_iam_controller_refresh_duration_seconds_count 2`,
		`kube_aws_iam_controller_aws_requests_total{code="OK",operation="AssumeRole",service="STS"} 1`,
		`kube_aws_iam_controller_aws_request_duration_seconds_count{operation="AssumeRole",service="STS"} 1`,
		`kube_aws_iam_controller_is_leader 1`,
		`kube_aws_iam_controller_role_drift_corrections_total{kind="trust"} 1`,
		`kube_aws_iam_controller_webhook_requests_total{result="mutated"} 1`,
		`kube_aws_iam_controller_webhook_request_duration_seconds_bucket{le="0.004"} 1`,
		`kube_aws_iam_controller_own_credentials_errors_total 1`,
		`kube_aws_iam_controller_build_info{version="v1"} 1`,
		`go_goroutines`, `process_resident_memory_bytes`,
	} {
		assert.Contains(t, body, line)
	}
	m.SetLeader(false)
	assert.Zero(t, testutil.ToFloat64(m.leader))

	docs, err := os.ReadFile("../../docs/reference.md")
	require.NoError(t, err)
	for line := range strings.Lines(body) {
		if name, is := strings.CutPrefix(line, "# TYPE kube_aws_iam_controller_"); is {
			name, _, _ = strings.Cut(name, " ")
			assert.Contains(t, string(docs), "`kube_aws_iam_controller_"+name, "every metric is documented")
		}
	}
}

func TestMalformedErrorCodesAreOneSeries(t *testing.T) {
	m, err := NewMetrics(prometheus.NewPedanticRegistry(), "v1")
	require.NoError(t, err)
	for _, code := range []string{"", "\xff", "two words", "<html>", strings.Repeat("a", 65), "ID-\n1"} {
		assert.NotPanics(t, func() { m.ObserveAWSRequest("STS", "AssumeRole", code, time.Second) })
	}
	m.ObserveAWSRequest("STS", "AssumeRole", "AWS.SimpleQueueService.X", time.Second)
	assert.InDelta(t, 6, testutil.ToFloat64(m.awsRequests.WithLabelValues("STS", "AssumeRole", "Malformed")), 0)
	assert.Equal(t, 2, testutil.CollectAndCount(m.awsRequests))
}

func TestSeriesOfDeletedIdentitiesDisappear(t *testing.T) {
	all := []Identity{
		{Source: "serviceaccount", Namespace: "a", Name: "x", State: "ready", Ready: true, Expiration: time.Unix(100, 0)},
		{
			Source: "serviceaccount", Namespace: "b", Name: "y", State: "ready", Ready: true, Expiration: time.Unix(200, 0),
			RoleUseKnown: true, RoleLastUsed: time.Unix(50, 0),
		},
		{Source: "serviceaccount", Namespace: "b", Name: "z", State: "ready", Ready: true, RoleUseKnown: true},
		{Source: "awsiamrole", Namespace: "c", Name: "z", State: "pending", Reason: "GetCredentialsFailed"},
	}
	c := NewIdentities(IdentityOptions{
		Leading: always, List: func() iter.Seq[Identity] { return slices.Values(all) }, Named: true,
		Sources: []string{"serviceaccount", "awsiamrole"}, States: []string{"ready", "pending"},
	})
	want := `
# HELP kube_aws_iam_controller_credentials_earliest_expiration_timestamp_seconds When the first credentials of all identities of a kind of object expire, in seconds since the epoch.
# TYPE kube_aws_iam_controller_credentials_earliest_expiration_timestamp_seconds gauge
kube_aws_iam_controller_credentials_earliest_expiration_timestamp_seconds{source="serviceaccount"} 100
# HELP kube_aws_iam_controller_credentials_expiration_timestamp_seconds When the credentials in an identity's Secret expire, in seconds since the epoch.
# TYPE kube_aws_iam_controller_credentials_expiration_timestamp_seconds gauge
kube_aws_iam_controller_credentials_expiration_timestamp_seconds{name="x",namespace="a",source="serviceaccount"} 100
kube_aws_iam_controller_credentials_expiration_timestamp_seconds{name="y",namespace="b",source="serviceaccount"} 200
# HELP kube_aws_iam_controller_identities Identities by kind of object and state.
# TYPE kube_aws_iam_controller_identities gauge
kube_aws_iam_controller_identities{source="awsiamrole",state="pending"} 1
kube_aws_iam_controller_identities{source="awsiamrole",state="ready"} 0
kube_aws_iam_controller_identities{source="serviceaccount",state="pending"} 0
kube_aws_iam_controller_identities{source="serviceaccount",state="ready"} 3
# HELP kube_aws_iam_controller_identity_not_ready 1 for each identity that is not ready, with its state and the reason of the event.
# TYPE kube_aws_iam_controller_identity_not_ready gauge
kube_aws_iam_controller_identity_not_ready{name="z",namespace="c",reason="GetCredentialsFailed",source="awsiamrole",state="pending"} 1
# HELP kube_aws_iam_controller_role_last_used_timestamp_seconds When a managed role was last used according to IAM, in seconds since the epoch, 0 for never.
# TYPE kube_aws_iam_controller_role_last_used_timestamp_seconds gauge
kube_aws_iam_controller_role_last_used_timestamp_seconds{name="y",namespace="b",source="serviceaccount"} 50
kube_aws_iam_controller_role_last_used_timestamp_seconds{name="z",namespace="b",source="serviceaccount"} 0
`
	require.NoError(t, testutil.CollectAndCompare(c, strings.NewReader(want)))
	all = all[:1]
	assert.Equal(t, 1, testutil.CollectAndCount(c, "kube_aws_iam_controller_credentials_expiration_timestamp_seconds"))
	assert.Equal(t, 4, testutil.CollectAndCount(c, "kube_aws_iam_controller_identities"))
	assert.Zero(t, testutil.CollectAndCount(c, "kube_aws_iam_controller_identity_not_ready"))
	assert.Zero(t, testutil.CollectAndCount(c, "kube_aws_iam_controller_role_last_used_timestamp_seconds"))
}

func TestIdentitiesAreNotNamedUnlessRequested(t *testing.T) {
	all := []Identity{
		{Source: "serviceaccount", Namespace: "a", Name: "x", State: "ready", Ready: true, Expiration: time.Unix(200, 0), RoleUseKnown: true},
		{Source: "serviceaccount", Namespace: "b", Name: "y", State: "degraded", Reason: "GetCredentialsFailed", Expiration: time.Unix(100, 0)},
		{Source: "serviceaccount", Namespace: "c", Name: "z", State: "ready", Ready: true, Expiration: time.Unix(300, 0)},
		{Source: "awsiamrole", Namespace: "d", Name: "v", State: "failed", Reason: "GetCredentialsFailed"},
	}
	c := NewIdentities(IdentityOptions{Leading: always, List: func() iter.Seq[Identity] { return slices.Values(all) }})
	require.NoError(t, testutil.CollectAndCompare(c, strings.NewReader(`
# HELP kube_aws_iam_controller_credentials_earliest_expiration_timestamp_seconds When the first credentials of all identities of a kind of object expire, in seconds since the epoch.
# TYPE kube_aws_iam_controller_credentials_earliest_expiration_timestamp_seconds gauge
kube_aws_iam_controller_credentials_earliest_expiration_timestamp_seconds{source="serviceaccount"} 100
# HELP kube_aws_iam_controller_identities Identities by kind of object and state.
# TYPE kube_aws_iam_controller_identities gauge
kube_aws_iam_controller_identities{source="awsiamrole",state="failed"} 1
kube_aws_iam_controller_identities{source="serviceaccount",state="degraded"} 1
kube_aws_iam_controller_identities{source="serviceaccount",state="ready"} 2
`)))
}

func TestDriftIntervalIsTheLeadersAlone(t *testing.T) {
	reg, leading, interval := prometheus.NewPedanticRegistry(), false, 80*time.Minute
	require.NoError(t, RegisterDriftInterval(reg, func() bool { return leading }, func() time.Duration { return interval }))
	count := func() int {
		n, err := testutil.GatherAndCount(reg)
		require.NoError(t, err)
		return n
	}
	assert.Zero(t, count())
	leading = true
	require.NoError(t, testutil.GatherAndCompare(reg, strings.NewReader(`
# HELP kube_aws_iam_controller_drift_interval_seconds How often each managed role is checked for drift: --drift-interval, or more seldom if there are too many roles for that.
# TYPE kube_aws_iam_controller_drift_interval_seconds gauge
kube_aws_iam_controller_drift_interval_seconds 4800
`)))
	interval = 0
	assert.Zero(t, count(), "roles are not checked")
}

func TestExpirationsAreReadAtEachScrape(t *testing.T) {
	for name, register := range map[string]func(prometheus.Registerer, func() time.Time) error{
		"kube_aws_iam_controller_webhook_certificate_expiration_timestamp_seconds": RegisterWebhookCertificate,
		"kube_aws_iam_controller_own_credentials_expiration_timestamp_seconds":     RegisterOwnCredentials,
	} {
		reg, expires := prometheus.NewPedanticRegistry(), time.Time{}
		require.NoError(t, register(reg, func() time.Time { return expires }))
		count, err := testutil.GatherAndCount(reg)
		require.NoError(t, err)
		assert.Zero(t, count, "it is not known: %s", name)
		expires = time.Unix(100, 0)
		families, err := reg.Gather()
		require.NoError(t, err)
		require.Len(t, families, 1)
		assert.Equal(t, name, families[0].GetName())
		assert.InDelta(t, 100, families[0].GetMetric()[0].GetGauge().GetValue(), 0)
	}
}

func TestQueueWaitIsReadAtEachScrape(t *testing.T) {
	reg, waits := prometheus.NewPedanticRegistry(), map[string]time.Duration{"fast": 0, "slow": time.Minute}
	require.NoError(t, RegisterQueueWait(reg, func() map[string]time.Duration { return waits }))
	require.NoError(t, testutil.GatherAndCompare(reg, strings.NewReader(`
# HELP kube_aws_iam_controller_queue_longest_wait_seconds How long the identity that waits the longest for a worker has waited, 0 if none waits.
# TYPE kube_aws_iam_controller_queue_longest_wait_seconds gauge
kube_aws_iam_controller_queue_longest_wait_seconds{queue="fast"} 0
kube_aws_iam_controller_queue_longest_wait_seconds{queue="slow"} 60
`)))
}

func TestStandbyExportsNoIdentities(t *testing.T) {
	reg := prometheus.NewPedanticRegistry()
	m, err := NewMetrics(reg, "v1")
	require.NoError(t, err)
	all := []Identity{{Source: "serviceaccount", Namespace: "a", Name: "x", State: "ready", Ready: true, Expiration: time.Unix(100, 0)}}
	c := NewIdentities(IdentityOptions{
		Leading: m.Leading, List: func() iter.Seq[Identity] { return slices.Values(all) }, Named: true,
		Sources: []string{"serviceaccount"}, States: []string{"ready"},
	})
	assert.Zero(t, testutil.CollectAndCount(c), "a standby")
	m.SetLeader(true)
	assert.Equal(t, 3, testutil.CollectAndCount(c), "the leader")
	assert.InDelta(t, 1, testutil.ToFloat64(m.leader), 0)
	m.SetLeader(false)
	assert.Zero(t, testutil.CollectAndCount(c), "a former leader")
	assert.Equal(t, 1, testutil.CollectAndCount(m.leader), "every replica exports whether it is the leader")
}

func TestChecksRunOnEveryProbe(t *testing.T) {
	var problem error
	get := serve(t, prometheus.NewRegistry(),
		[]Check{{Name: "workers", Test: func() error { return nil }}},
		[]Check{{Name: "caches", Test: func() error { return problem }}})
	code, body := get(http.MethodGet, "/readyz")
	assert.Equal(t, http.StatusOK, code)
	assert.Equal(t, "ok\n", body)

	problem = errors.New("not filled yet")
	code, body = get(http.MethodGet, "/readyz")
	assert.Equal(t, http.StatusServiceUnavailable, code)
	assert.Equal(t, "caches: not filled yet\n", body)

	code, _ = get(http.MethodGet, "/healthz")
	assert.Equal(t, http.StatusOK, code, "readiness does not affect liveness")
}

func TestNothingElseIsServed(t *testing.T) {
	get := serve(t, prometheus.NewRegistry(), nil, nil)
	code, _ := get(http.MethodGet, "/debug/pprof/")
	assert.Equal(t, http.StatusNotFound, code)
	code, _ = get(http.MethodPost, "/healthz")
	assert.Equal(t, http.StatusMethodNotAllowed, code)
	code, _ = get(http.MethodHead, "/healthz")
	assert.Equal(t, http.StatusOK, code)
}

func TestProbeListsOnlyFailingChecks(t *testing.T) {
	get := serve(t, prometheus.NewRegistry(), []Check{
		{Name: "first", Test: func() error { return errors.New("stuck for 6m") }},
		{Name: "second", Test: func() error { return nil }},
		{Name: "third", Test: func() error { return errors.New("away") }},
	}, nil)
	code, body := get(http.MethodGet, "/healthz")
	assert.Equal(t, http.StatusServiceUnavailable, code)
	assert.Equal(t, "first: stuck for 6m\nthird: away\n", body)
}

func TestShutdownFinishesRequestsInFlight(t *testing.T) {
	asked, finish := make(chan struct{}), make(chan struct{})
	server, err := listen(t, "127.0.0.1:0", prometheus.NewRegistry(), []Check{{Name: "slow", Test: func() error {
		close(asked)
		<-finish
		return nil
	}}}, nil)
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	served, answered := make(chan error, 1), make(chan int, 1)
	go func() { served <- server.Serve(ctx) }()
	go func() {
		resp, err := http.Get("http://" + server.Addr().String() + "/healthz")
		if err != nil {
			answered <- 0
			return
		}
		answered <- resp.StatusCode
		resp.Body.Close()
	}()
	<-asked
	cancel()
	require.Eventually(t, func() bool {
		conn, err := net.Dial("tcp", server.Addr().String())
		if err == nil {
			conn.Close()
		}
		return err != nil
	}, time.Minute, time.Millisecond, "new connections are refused")
	assert.Never(t, func() bool { return len(served) > 0 }, 50*time.Millisecond, 5*time.Millisecond)
	close(finish)
	assert.Equal(t, http.StatusOK, <-answered)
	assert.NoError(t, <-served)
}

func TestShutdownDoesNotWaitForeverForARequest(t *testing.T) {
	asked, never := make(chan struct{}), make(chan struct{})
	defer close(never)
	server, err := listen(t, "127.0.0.1:0", prometheus.NewRegistry(), []Check{{Name: "stuck", Test: func() error {
		close(asked)
		<-never
		return nil
	}}}, nil)
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	conn, err := net.Dial("tcp", server.Addr().String())
	require.NoError(t, err)
	defer conn.Close()
	_, err = io.WriteString(conn, "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
	require.NoError(t, err)
	served := make(chan error, 1)
	go func() { served <- server.Serve(ctx) }()
	<-asked
	cancel()
	select {
	case err = <-served:
		require.NoError(t, err)
	case <-time.After(shutdownGrace + time.Minute):
		t.Error("still serving")
	}
}

func TestServeAfterShutdownReturns(t *testing.T) {
	server, err := listen(t, "127.0.0.1:0", prometheus.NewRegistry(), nil, nil)
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	require.NoError(t, server.Serve(ctx))
	_, err = listen(t, server.Addr().String(), prometheus.NewRegistry(), nil, nil)
	assert.NoError(t, err, "the port is free again")
}

func TestScrapesPerAddressAreLimited(t *testing.T) {
	for name, serving := range map[string]func(*testing.T, *prometheus.Registry) func() int{
		"with the probes": func(t *testing.T, reg *prometheus.Registry) func() int {
			t.Helper()
			get := serve(t, reg, nil, nil)
			return func() int { code, _ := get(http.MethodGet, MetricsPath); return code }
		},
		"secured": func(t *testing.T, reg *prometheus.Registry) func() int {
			t.Helper()
			get := serveSecure(t, reg)
			return func() int { code, _ := get("https", MetricsPath, "right"); return code }
		},
	} {
		t.Run(name, func(t *testing.T) {
			reg := prometheus.NewRegistry()
			asked, finish := make(chan struct{}, maxScrapesPerAddress), make(chan struct{})
			reg.MustRegister(NewIdentities(IdentityOptions{Leading: always, List: func() iter.Seq[Identity] {
				asked <- struct{}{}
				<-finish
				return slices.Values([]Identity(nil))
			}}))
			scrapeOnce := serving(t, reg)
			var scrapes sync.WaitGroup
			for range maxScrapesPerAddress {
				scrapes.Go(func() { assert.Equal(t, http.StatusOK, scrapeOnce()) })
			}
			for range maxScrapesPerAddress {
				<-asked
			}
			assert.Equal(t, http.StatusTooManyRequests, scrapeOnce())
			close(finish)
			scrapes.Wait()
		})
	}
}

func TestListenFailsIfThePortIsTaken(t *testing.T) {
	first, err := listen(t, "127.0.0.1:0", prometheus.NewRegistry(), nil, nil)
	require.NoError(t, err)
	ended, end := context.WithCancel(t.Context())
	end()
	defer func() { assert.NoError(t, first.Serve(ended)) }()
	_, err = listen(t, first.Addr().String(), prometheus.NewRegistry(), nil, nil)
	assert.ErrorContains(t, err, "address already in use")
}

func TestQueueMetrics(t *testing.T) {
	reg := prometheus.NewPedanticRegistry()
	provider, err := NewQueueMetrics(reg)
	require.NoError(t, err)
	q := workqueue.NewTypedWithConfig(workqueue.TypedQueueConfig[string]{Name: "identities", MetricsProvider: provider})
	defer q.ShutDown()
	q.Add("a")
	q.Add("b")
	key, _ := q.Get()
	q.Done(key)
	require.NoError(t, testutil.GatherAndCompare(reg, strings.NewReader(`
# HELP workqueue_adds_total Keys added to the queue.
# TYPE workqueue_adds_total counter
workqueue_adds_total{name="identities"} 2
# HELP workqueue_depth Keys waiting in the queue.
# TYPE workqueue_depth gauge
workqueue_depth{name="identities"} 1
`), "workqueue_adds_total", "workqueue_depth"))
	_, err = NewQueueMetrics(reg)
	assert.Error(t, err, "registered twice")
}

func TestRESTClientMetricsContainNoNames(t *testing.T) {
	reg := prometheus.NewPedanticRegistry()
	m, err := newRESTMetrics(reg)
	require.NoError(t, err)
	m.Increment(t.Context(), "200", "GET", "127.0.0.1:6443")
	m.Observe(t.Context(), "GET", url.URL{Host: "127.0.0.1:6443", Path: "/api/v1/namespaces/tenant/secrets"}, time.Millisecond)
	families, err := reg.Gather()
	require.NoError(t, err)
	require.Len(t, families, 2)
	for _, family := range families {
		assert.NotContains(t, family.String(), "tenant")
	}
}

func TestRESTClientMetricsAreRegistered(t *testing.T) {
	require.NoError(t, RegisterRESTClient(prometheus.NewPedanticRegistry()))
	assert.IsType(t, &restMetrics{}, metrics.RequestResult)
	assert.IsType(t, &restMetrics{}, metrics.RequestLatency)

	reg := prometheus.NewPedanticRegistry()
	require.NoError(t, RegisterRESTClient(reg))
	assert.Error(t, RegisterRESTClient(reg), "registered twice")
}
