package integration

import (
	"context"
	"net"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"kube-aws-iam-controller/internal/awssim"

	"kube-aws-iam-controller/test/kit"
)

func TestHealthReadinessAndMetricsAnswer(t *testing.T) {
	w := newWorld(t)
	w.iamRole("", "app")
	c := w.start("--insecure-identity-metrics")
	_, err := c.Get(t.Context(), "/healthz")
	require.NoError(t, err)
	w.account("app", "app")
	w.account("poor", "no-such-role")
	w.role("good", "", "roleReference: no-such-role")
	secret := w.secret("app.aws-iam", nil)
	w.event("ServiceAccount", "poor", "GetCredentialsFailed")
	w.event("AWSIAMRole", "good", "GetCredentialsFailed")

	body, err := c.Get(t.Context(), "/metrics")
	require.NoError(t, err)
	for _, series := range []string{
		`kube_aws_iam_controller_identities{source="serviceaccount",state="ready"} 1`,
		`kube_aws_iam_controller_identities{source="serviceaccount",state="failed"} 1`,
		`kube_aws_iam_controller_identities{source="awsiamrole",state="failed"} 1`,
		`kube_aws_iam_controller_refreshes_total{reason="Missing",result="success",source="serviceaccount"} 1`,
		`kube_aws_iam_controller_aws_requests_total{code="OK",operation="AssumeRole",service="STS"} 1`,
		`kube_aws_iam_controller_is_leader 1`,
		`workqueue_adds_total{name="identities"}`,
		`rest_client_requests_total{`,
		`go_goroutines`, `process_resident_memory_bytes`,
		`kube_aws_iam_controller_aws_request_duration_seconds_bucket{operation="AssumeRole",service="STS",le="`,
		`kube_aws_iam_controller_refresh_duration_seconds_bucket{`,
	} {
		assert.Contains(t, body, series)
	}
	assert.Contains(t, body, `kube_aws_iam_controller_credentials_expiration_timestamp_seconds{name="app",namespace="`+w.namespace+
		`",source="serviceaccount"} `)
	expires, err := c.Metric(t.Context(), `kube_aws_iam_controller_credentials_expiration_timestamp_seconds{name="app"`)
	require.NoError(t, err)
	assert.InDelta(t, float64(read(t, secret).expires(t).Unix()), expires, 0.5)
	earliest, err := c.Metric(t.Context(), `kube_aws_iam_controller_credentials_earliest_expiration_timestamp_seconds{source="serviceaccount"}`)
	require.NoError(t, err)
	assert.InDelta(t, expires, earliest, 0.5)
}

// ending is how long a process may take that is to end within ten seconds, on a busy machine.
const ending = 25 * time.Second

func TestSIGTERMEndsCleanlyWithinTenSeconds(t *testing.T) {
	w := newWorld(t)
	h := w.hang("app")
	w.iamRole("", "app")
	c := w.start()
	w.account("app", "app")
	h.one(w) // in hand when the signal comes
	begin := time.Now()
	require.NoError(t, c.Signal(syscall.SIGTERM))
	close(h.release)
	ctx, cancel := context.WithTimeout(t.Context(), ending)
	defer cancel()
	code, err := c.Wait(ctx)
	require.NoError(t, err)
	assert.Zero(t, code)
	t.Logf("ended after %s", time.Since(begin))
	assert.NotEmpty(t, w.secret("app.aws-iam", nil).Data["credentials"], "work in hand is finished")
}

func TestSIGTERMEndsInTimeWhenAWSHangs(t *testing.T) {
	w := newWorld(t)
	h := w.hang("app")
	w.iamRole("", "app")
	c := w.start()
	w.account("app", "app")
	h.one(w)
	ctx, cancel := context.WithTimeout(t.Context(), ending)
	defer cancel()
	code, err := c.Stop(ctx)
	require.NoError(t, err)
	assert.Zero(t, code)
}

func TestATakenPortEndsTheProcess(t *testing.T) {
	w := newWorld(t)
	taken, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer taken.Close()
	c := w.launch("--namespace="+w.namespace, "--listen-address="+taken.Addr().String())
	assert.Equal(t, 1, w.ended(c))
	out, err := c.Output()
	require.NoError(t, err)
	assert.Contains(t, out, "address already in use")
}

func TestAMalformedSettingEndsTheProcessAndIsNamed(t *testing.T) {
	w := newWorld(t)
	for flag, says := range map[string]string{
		"--cluster-name=no/slash": "--cluster-name",
		"--refresh-limit=soon":    "--refresh-limit",
		"--base-role-arn=role":    "--base-role-arn",
		"--workers=0":             "--workers",
		"--log-format=xml":        "--log-format",
		"--listen-address=here":   "--listen-address",
		"--no-such-flag":          "no-such-flag",
	} {
		c := w.launch(flag)
		assert.Equal(t, 2, w.ended(c), flag)
		out, err := c.Output()
		require.NoError(t, err)
		assert.Contains(t, out, says)
	}
}

func TestThePredecessorsFlagsAreAccepted(t *testing.T) {
	w := newWorld(t)
	arn := w.iamRole("team/", "app")
	w.start("--interval=10s", "--event-queue-size=100", "--refresh-limit=15m", "--no-debug",
		"--base-role-arn=arn:aws:iam::"+kit.AccountID+":role/team/")
	w.role("app", "", "roleReference: app")
	assert.Equal(t, arn, string(w.secret("app", nil).Data["role-arn"]))
}

func TestLogsInJSON(t *testing.T) {
	w := newWorld(t)
	w.iamRole("", "app")
	c := w.start("--log-format=json", "--debug")
	w.account("app", "app")
	w.secret("app.aws-iam", nil)
	out, err := c.Output()
	require.NoError(t, err)
	for line := range strings.Lines(out) {
		assert.Truef(t, strings.HasPrefix(line, "{") && strings.HasSuffix(line, "}\n"), "not JSON: %s", line)
		assert.Contains(t, line, `"ts":"`)
		assert.Contains(t, line, `"level":"`)
	}
}

func TestASignalBeforeItIsReadyEndsTheProcess(t *testing.T) {
	w := newWorld(t)
	c := w.launch()
	time.Sleep(50 * time.Millisecond)
	require.NoError(t, c.Signal(syscall.SIGTERM))
	code := w.ended(c)
	assert.Contains(t, []int{0, -1}, code, "-1: before it could catch the signal")
}

// ended waits for the end of a process and returns its exit code.
func (w *world) ended(c *kit.Controller) int {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(w.t.Context(), within)
	defer cancel()
	code, err := c.Wait(ctx)
	require.NoError(w.t, err)
	return code
}

func TestTrustPolicyIsWhatARoleNeeds(t *testing.T) {
	w := newWorld(t)
	command := w.launch("trust-policy", w.namespace)
	require.Zero(t, w.ended(command))
	policy, err := command.Output()
	require.NoError(t, err)
	arn, err := w.aws.AddRole(awssim.RoleSpec{Account: kit.AccountID, Name: "app", Trust: policy})
	require.NoError(t, err)
	w.start("--session-tags")
	w.account("app", "app")
	assert.Equal(t, arn, string(w.secret("app.aws-iam", nil).Data["role-arn"]))
}
