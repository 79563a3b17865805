package sts

import (
	"context"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"kube-aws-iam-controller/internal/awssim"
	"kube-aws-iam-controller/internal/identity"
)

// errorServer starts a container credentials endpoint, or STS, that returns an
// error.
func errorServer(t *testing.T, status int, body string) string {
	t.Helper()
	server := httptest.NewServer(answer(status, body))
	t.Cleanup(server.Close)
	return server.URL
}

func write(t *testing.T, content string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "file")
	require.NoError(t, os.WriteFile(path, []byte(content), 0o600))
	return path
}

func TestMissingCredentialsNameTheSource(t *testing.T) {
	const head = "the controller itself has no AWS credentials: "
	for name, tc := range map[string]struct {
		configure func(t *testing.T)
		says      []string
	}{
		"nowhere": {func(*testing.T) {}, []string{
			"AWS_ACCESS_KEY_ID", "AWS_WEB_IDENTITY_TOKEN_FILE", "AWS_PROFILE", "AWS_CONTAINER_CREDENTIALS_FULL_URI", "and the instance metadata service (IMDS) has none; ",
			"give its ServiceAccount an EKS Pod Identity association or an IRSA role, or set --credentials-file",
		}},
		"an instance without a role": {func(t *testing.T) {
			t.Helper()
			metadataService(t, http.NotFound)
		}, []string{"and the instance metadata service (IMDS) has none: the answer did not come from AWS: HTTP status 404 from 127.0.0.1:"}},
		"Pod Identity that refuses": {func(t *testing.T) {
			t.Helper()
			t.Setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", errorServer(t, http.StatusForbidden, sentinel))
		}, []string{"the container credentials endpoint (AWS_CONTAINER_CREDENTIALS_FULL_URI, EKS Pod Identity) returned none: the answer did not come from AWS: HTTP status 403; check that the Pod Identity agent runs"}},
		"IRSA without a provider": {func(t *testing.T) {
			t.Helper()
			t.Setenv("AWS_WEB_IDENTITY_TOKEN_FILE", write(t, sentinel))
			t.Setenv("AWS_ROLE_ARN", "arn:aws:iam::"+home+":role/controller")
			t.Setenv("AWS_ENDPOINT_URL_STS", errorServer(t, http.StatusBadRequest, `<ErrorResponse><Error><Code>InvalidIdentityToken</Code><Message>No OpenIDConnect provider found in your account for https://oidc</Message></Error></ErrorResponse>`))
		}, []string{"AWS_WEB_IDENTITY_TOKEN_FILE) yielded none for AWS_ROLE_ARN: InvalidIdentityToken: No OpenIDConnect provider found in your account for https://oidc; create the IAM OIDC provider of this cluster"}},
		"web identity without a token": {func(t *testing.T) {
			t.Helper()
			t.Setenv("AWS_WEB_IDENTITY_TOKEN_FILE", "/no/such/token")
			t.Setenv("AWS_ROLE_ARN", "arn:aws:iam::"+home+":role/controller")
		}, []string{"yielded none for AWS_ROLE_ARN: open /no/such/token: no such file or directory; have that file there, readable by the controller"}},
		"a program that fails": {func(t *testing.T) {
			t.Helper()
			t.Setenv("AWS_CONFIG_FILE", write(t, "[default]\ncredential_process = echo "+sentinel+"\n"))
		}, []string{"the credential_process of the shared configuration files returned none; correct the shared configuration files"}},
		"a file that is not there": {nil, []string{"--credentials-file: read the credentials file /no/such/file: "}},
	} {
		t.Run(name, func(t *testing.T) {
			isolate(t)
			t.Setenv("AWS_REGION", "eu-central-1")
			t.Setenv("AWS_MAX_ATTEMPTS", "1")
			options := ConfigOptions{CredentialsFile: "/no/such/file"}
			if tc.configure != nil {
				options.CredentialsFile = ""
				tc.configure(t)
			}
			cfg, err := LoadConfig(t.Context(), options)
			require.NoError(t, err)
			a, err := New(cfg, withQPS(Options{}))
			require.NoError(t, err)
			_, err = a.Assume(t.Context(), wanting(t, "app"))
			requireHarmless(t, err)
			require.ErrorContains(t, err, head)
			for _, part := range tc.says {
				require.ErrorContains(t, err, part)
			}
			require.NotErrorIs(t, err, identity.ErrNotAssumable)
		})
	}
}

func TestMissingCredentialsAreNotAttributedToAssumeRole(t *testing.T) {
	isolate(t)
	w := newWorld(t, awssim.Options{})
	t.Setenv("AWS_ENDPOINT_URL", w.URL())
	cfg, err := LoadConfig(t.Context(), ConfigOptions{CredentialsFile: "/no/such/file"})
	require.NoError(t, err)
	a, err := New(cfg, withQPS(Options{AssumeRole: "through"}))
	require.NoError(t, err)
	_, err = a.Assume(t.Context(), wanting(t, "app"))
	require.ErrorContains(t, err, "--credentials-file: ")
	assert.NotContains(t, err.Error(), "--assume-role")
	_, err = a.cfg.Credentials.Retrieve(t.Context())
	require.ErrorContains(t, err, "--credentials-file: ")
	assert.NotContains(t, err.Error(), "--assume-role")
}

func TestProxyErrorPageIsReported(t *testing.T) {
	const page = "<html><body><h1>503 Service Unavailable</h1>" + sentinel + "</body></html>"
	_, err := (&fakeSTS{assume: answer(http.StatusServiceUnavailable, page)}).assumer(t).Assume(t.Context(), wanting(t, "app"))
	requireHarmless(t, err)
	require.ErrorContains(t, err, "STS did not answer AssumeRole: the answer did not come from AWS: HTTP status 503 from 127.0.0.1:")
	require.ErrorContains(t, err, "a proxy, firewall or load balancer answers in its place")
}

func TestUnreachableEndpointIsNamed(t *testing.T) {
	quiet := log.New(io.Discard, "", 0)
	untrusted := httptest.NewUnstartedServer(answer(http.StatusOK, whoAnswer))
	untrusted.Config.ErrorLog = quiet
	untrusted.StartTLS()
	t.Cleanup(untrusted.Close)
	plain := httptest.NewServer(answer(http.StatusOK, whoAnswer))
	t.Cleanup(plain.Close)
	gone := httptest.NewServer(nil)
	gone.Close()
	host := func(server *httptest.Server) string { return " (" + server.Listener.Addr().String() + "); " }
	for name, tc := range map[string]struct{ endpoint, says string }{
		"a certificate that is not trusted": {untrusted.URL, "its TLS certificate is signed by an unknown authority" + host(untrusted) + "where a proxy inspects TLS, name its certificate authority in AWS_CA_BUNDLE"},
		"no TLS":                            {strings.Replace(plain.URL, "http:", "https:", 1), "it does not speak TLS" + host(plain)},
		"nobody":                            {gone.URL, "the connection was refused" + host(gone) + "check the way from the controller to it"},
		"no such host":                      {"http://sts.nowhere.invalid", "(sts.nowhere.invalid)"},
	} {
		t.Run(name, func(t *testing.T) {
			isolate(t)
			t.Setenv("AWS_ENDPOINT_URL", tc.endpoint)
			t.Setenv("AWS_MAX_ATTEMPTS", "1")
			t.Setenv("AWS_ACCESS_KEY_ID", "AKIA"+sentinel)
			t.Setenv("AWS_SECRET_ACCESS_KEY", sentinel)
			cfg, err := LoadConfig(t.Context(), ConfigOptions{})
			require.NoError(t, err)
			a, err := New(cfg, withQPS(Options{}))
			require.NoError(t, err)
			_, err = a.Assume(t.Context(), wanting(t, "app"))
			requireHarmless(t, err)
			require.ErrorContains(t, err, "ask AWS who the controller is: STS did not answer GetCallerIdentity: ")
			require.ErrorContains(t, err, tc.says)
		})
	}
}

func TestMissingCredentialsAreCounted(t *testing.T) {
	failures := 0
	a, err := New(aws.Config{Region: "eu-central-1", Credentials: &fileProvider{path: "/nonexistent"}},
		withQPS(Options{CredentialsFailed: func() { failures++ }}))
	require.NoError(t, err)
	_, err = a.Base(t.Context())
	require.ErrorContains(t, err, "the controller itself has no AWS credentials")
	assert.Positive(t, failures)

	failures = 0
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	_, err = a.cfg.Credentials.Retrieve(ended)
	require.Error(t, err)
	assert.Zero(t, failures, "whoever asked has ended")
}
