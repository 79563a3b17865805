package sts

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"kube-aws-iam-controller/internal/awssim"
)

// isolate hides the AWS configuration of the machine from the SDK.
func isolate(t *testing.T) {
	t.Helper()
	for _, pair := range os.Environ() {
		if name, _, _ := strings.Cut(pair, "="); strings.HasPrefix(name, "AWS_") {
			t.Setenv(name, "")
		}
	}
	nowhere := filepath.Join(t.TempDir(), "none")
	t.Setenv("AWS_CONFIG_FILE", nowhere)
	t.Setenv("AWS_SHARED_CREDENTIALS_FILE", nowhere)
	t.Setenv("AWS_EC2_METADATA_DISABLED", "true")
}

// metadataService starts an instance metadata service.
func metadataService(t *testing.T, region http.HandlerFunc) {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/latest/api/token":
			w.Header().Set("X-Aws-Ec2-Metadata-Token-Ttl-Seconds", "21600")
			_, _ = io.WriteString(w, "token")
		case "/latest/dynamic/instance-identity/document":
			region(w, r)
		default:
			http.NotFound(w, r)
		}
	}))
	t.Cleanup(server.Close)
	t.Setenv("AWS_EC2_METADATA_DISABLED", "")
	t.Setenv("AWS_EC2_METADATA_SERVICE_ENDPOINT", server.URL)
}

func TestRegionFromTheEnvironment(t *testing.T) {
	tests := map[string]struct {
		env  map[string]string
		want string
	}{
		"AWS_REGION":                         {map[string]string{"AWS_REGION": "eu-central-1"}, "eu-central-1"},
		"AWS_DEFAULT_REGION":                 {map[string]string{"AWS_DEFAULT_REGION": "cn-north-1"}, "cn-north-1"},
		"AWS_REGION beside an endpoint":      {map[string]string{"AWS_REGION": "eu-central-1", "AWS_ENDPOINT_URL": "http://127.0.0.1:1"}, "eu-central-1"},
		"any will do for an endpoint":        {map[string]string{"AWS_ENDPOINT_URL": "http://127.0.0.1:1"}, "us-east-1"},
		"any will do for an endpoint of STS": {map[string]string{"AWS_ENDPOINT_URL_STS": "http://127.0.0.1:1"}, "us-east-1"},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			isolate(t)
			metadataService(t, func(http.ResponseWriter, *http.Request) { assert.Fail(t, "the instance was asked") })
			for variable, value := range tc.env {
				t.Setenv(variable, value)
			}
			cfg, err := LoadConfig(t.Context(), ConfigOptions{})
			require.NoError(t, err)
			assert.Equal(t, tc.want, cfg.Region)
		})
	}
}

func TestRegionFromInstanceMetadata(t *testing.T) {
	isolate(t)
	metadataService(t, func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, `{"region":"eu-west-1"}`) })
	cfg, err := LoadConfig(t.Context(), ConfigOptions{})
	require.NoError(t, err)
	assert.Equal(t, "eu-west-1", cfg.Region)
}

func TestMissingRegionNamesTheRemedy(t *testing.T) {
	says := func(body string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, body) }
	}
	for name, service := range map[string]http.HandlerFunc{
		"no metadata service":      nil,
		"one that knows no Region": says("{}"),
		"one that talks nonsense":  says("<html>"),
		"one that hangs":           func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() },
	} {
		t.Run(name, func(t *testing.T) {
			isolate(t)
			if service != nil {
				metadataService(t, service)
			}
			ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
			defer cancel()
			_, err := LoadConfig(ctx, ConfigOptions{})
			require.EqualError(t, err, "no AWS Region is configured: set AWS_REGION")
		})
	}
}

func TestMalformedConfigurationIsAnError(t *testing.T) {
	isolate(t)
	t.Setenv("AWS_PROFILE", "no-such-profile")
	_, err := LoadConfig(t.Context(), ConfigOptions{})
	require.ErrorContains(t, err, "load the AWS configuration: ")
	require.ErrorContains(t, err, "no-such-profile")
}

func TestAttemptLimits(t *testing.T) {
	isolate(t)
	t.Setenv("AWS_REGION", "eu-central-1")
	cfg, err := LoadConfig(t.Context(), ConfigOptions{})
	require.NoError(t, err)
	client, ok := cfg.HTTPClient.(*awshttp.BuildableClient)
	require.True(t, ok)
	assert.Equal(t, 10*time.Second, client.GetTimeout())
	assert.Equal(t, 100, client.GetTransport().MaxIdleConnsPerHost, "as many as assume at once")
}

func TestRequestsHaveTheApplicationID(t *testing.T) {
	isolate(t)
	var agent string
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		agent = r.UserAgent()
		answer(http.StatusOK, whoAnswer)(w, r)
	}))
	defer server.Close()
	t.Setenv("AWS_ENDPOINT_URL_STS", server.URL)
	m := mount(t)
	m.renew(document(credentialsNamed("a", 0)))
	cfg, err := LoadConfig(t.Context(), ConfigOptions{CredentialsFile: m.path})
	require.NoError(t, err)
	_, err = sts.NewFromConfig(cfg).GetCallerIdentity(t.Context(), &sts.GetCallerIdentityInput{})
	require.NoError(t, err)
	assert.Contains(t, agent, "app/kube-aws-iam-controller")
}

// observations records the observed attempts.
type observations struct {
	mu    sync.Mutex
	tries []string
}

func (o *observations) add(service, operation, code string, took time.Duration) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if took <= 0 {
		code += " in no time"
	}
	o.tries = append(o.tries, service+" "+operation+" "+code)
}

func (o *observations) all() []string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return slices.Clone(o.tries)
}

func TestEachAttemptIsObserved(t *testing.T) {
	w := newWorld(t, awssim.Options{})
	isolate(t)
	t.Setenv("AWS_ENDPOINT_URL_STS", w.URL())
	m := mount(t)
	m.renew(document(w.asUser()))
	var o observations
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	cfg, err := LoadConfig(ctx, ConfigOptions{CredentialsFile: m.path, Observe: func(service, operation, code string, took time.Duration) {
		o.add(service, operation, code, took)
		if code == "ConnectionError" {
			cancel() // one attempt is enough
		}
	}})
	require.NoError(t, err)
	cfg.Retryer = func() aws.Retryer {
		return retry.NewStandard(func(o *retry.StandardOptions) { o.MaxBackoff = time.Millisecond })
	}
	a, err := New(cfg, withQPS(Options{}))
	require.NoError(t, err)

	w.Set(awssim.Settings{Faults: &[]awssim.Fault{{Code: "Throttling", Times: 1}}})
	_, err = a.Assume(t.Context(), wanting(t, "no-such-role"))
	require.ErrorContains(t, err, "AccessDenied")
	assert.Equal(t, []string{"STS GetCallerIdentity Throttling", "STS GetCallerIdentity OK", "STS AssumeRole AccessDenied"}, o.all(),
		"also what a retry hides")

	w.Close()
	_, err = a.Assume(ctx, wanting(t, "app"))
	require.Error(t, err)
	assert.Equal(t, []string{"STS AssumeRole ConnectionError"}, o.all()[3:])
}
