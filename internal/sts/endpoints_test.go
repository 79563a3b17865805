package sts

import (
	"context"
	"errors"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// network has no connection, and records which host each service would have been called at,
// and for which Region the request was signed.
type network struct {
	mu    sync.Mutex
	calls []call
}

// call is a request. signedFor is "" for one that is not signed.
type call struct{ host, signedFor string }

var scope = regexp.MustCompile(`Credential=[^/]+/\d+/([^/]+)/`)

// Do implements aws.HTTPClient.
func (n *network) Do(r *http.Request) (*http.Response, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	c := call{host: r.URL.Host}
	if found := scope.FindStringSubmatch(r.Header.Get("Authorization")); found != nil {
		c.signedFor = found[1]
	}
	n.calls = append(n.calls, c)
	return nil, errors.New("there is no network")
}

func (n *network) last(t *testing.T) call {
	t.Helper()
	require.NotEmpty(t, n.calls)
	return n.calls[len(n.calls)-1]
}

// offline makes what the controller makes of the environment, with no network.
func offline(t *testing.T, env map[string]string) (*Assumer, *network) {
	t.Helper()
	isolate(t)
	t.Setenv("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE")
	t.Setenv("AWS_SECRET_ACCESS_KEY", "example")
	t.Setenv("AWS_MAX_ATTEMPTS", "1")
	for name, value := range env {
		t.Setenv(name, value)
	}
	var n network
	cfg, err := loadConfig(t.Context(), ConfigOptions{}, &n)
	require.NoError(t, err)
	a, err := New(cfg, withQPS(Options{}))
	require.NoError(t, err)
	return a, &n
}

// askSTS returns where and how STS is called.
func askSTS(t *testing.T, a *Assumer, n *network) call {
	t.Helper()
	_, err := a.sts.AssumeRole(t.Context(), &sts.AssumeRoleInput{RoleArn: new("arn:aws:iam::123456789012:role/app"), RoleSessionName: new("app")})
	require.ErrorContains(t, err, "there is no network")
	assumed := n.last(t)
	_, err = a.caller.sts.GetCallerIdentity(t.Context(), &sts.GetCallerIdentityInput{})
	require.ErrorContains(t, err, "there is no network")
	require.Equal(t, assumed, n.last(t), "both operations of STS")
	return assumed
}

// askIAM returns where and how IAM is called, by what finds the controller's role and by
// what manages those of others.
func askIAM(t *testing.T, a *Assumer, n *network) call {
	t.Helper()
	var all []call
	for _, client := range []*iam.Client{a.iam, iam.NewFromConfig(a.IAMConfig())} {
		_, err := client.GetRole(t.Context(), &iam.GetRoleInput{RoleName: new("app")})
		require.ErrorContains(t, err, "there is no network")
		all = append(all, n.last(t))
	}
	require.Equal(t, all[0], all[1], "both clients of IAM")
	return all[0]
}

// A place is a Region of a partition, with the hosts of its endpoints.
type place struct {
	partition, region, sts, iam string
	// signedFor is the Region that requests to IAM are signed for.
	signedFor string
}

// places are one Region of each partition, the second one where there is one, and two of
// those that an account has to enable.
var places = []place{
	{"aws", "us-east-1", "sts.us-east-1.amazonaws.com", "iam.amazonaws.com", "us-east-1"},
	{"aws", "eu-central-1", "sts.eu-central-1.amazonaws.com", "iam.amazonaws.com", "us-east-1"},
	{"aws", "ap-east-1", "sts.ap-east-1.amazonaws.com", "iam.amazonaws.com", "us-east-1"},
	{"aws", "me-south-1", "sts.me-south-1.amazonaws.com", "iam.amazonaws.com", "us-east-1"},
	{"aws-cn", "cn-north-1", "sts.cn-north-1.amazonaws.com.cn", "iam.cn-north-1.amazonaws.com.cn", "cn-north-1"},
	{"aws-cn", "cn-northwest-1", "sts.cn-northwest-1.amazonaws.com.cn", "iam.cn-north-1.amazonaws.com.cn", "cn-north-1"},
	{"aws-us-gov", "us-gov-west-1", "sts.us-gov-west-1.amazonaws.com", "iam.us-gov.amazonaws.com", "us-gov-west-1"},
	{"aws-us-gov", "us-gov-east-1", "sts.us-gov-east-1.amazonaws.com", "iam.us-gov.amazonaws.com", "us-gov-west-1"},
	{"aws-iso", "us-iso-east-1", "sts.us-iso-east-1.c2s.ic.gov", "iam.us-iso-east-1.c2s.ic.gov", "us-iso-east-1"},
	{"aws-iso", "us-iso-west-1", "sts.us-iso-west-1.c2s.ic.gov", "iam.us-iso-east-1.c2s.ic.gov", "us-iso-east-1"},
	{"aws-iso-b", "us-isob-east-1", "sts.us-isob-east-1.sc2s.sgov.gov", "iam.us-isob-east-1.sc2s.sgov.gov", "us-isob-east-1"},
	{"aws-iso-e", "eu-isoe-west-1", "sts.eu-isoe-west-1.cloud.adc-e.uk", "iam.eu-isoe-west-1.cloud.adc-e.uk", "eu-isoe-west-1"},
	{"aws-iso-f", "us-isof-south-1", "sts.us-isof-south-1.csp.hci.ic.gov", "iam.us-isof-south-1.csp.hci.ic.gov", "us-isof-south-1"},
	{"aws-iso-f", "us-isof-east-1", "sts.us-isof-east-1.csp.hci.ic.gov", "iam.us-isof-south-1.csp.hci.ic.gov", "us-isof-south-1"},
	{"aws-eusc", "eusc-de-east-1", "sts.eusc-de-east-1.amazonaws.eu", "iam.eusc-de-east-1.amazonaws.eu", "eusc-de-east-1"},
}

func TestSTSIsThatOfTheRegionAndIAMThatOfThePartition(t *testing.T) {
	for _, p := range places {
		t.Run(p.region, func(t *testing.T) {
			a, n := offline(t, map[string]string{"AWS_REGION": p.region})
			assert.Equal(t, call{p.sts, p.region}, askSTS(t, a, n))
			assert.Equal(t, call{p.iam, p.signedFor}, askIAM(t, a, n))
		})
	}
}

func TestOperatorsAreToldTheHosts(t *testing.T) {
	page, err := os.ReadFile(filepath.Join("..", "..", "docs", "install.md"))
	require.NoError(t, err)
	for _, p := range places {
		cells := []string{p.partition, strings.Replace(p.sts, p.region, "REGION", 1), p.iam, p.signedFor}
		assert.Contains(t, string(page), "| `"+strings.Join(cells, "` | `")+"` |\n")
	}
}

func TestEndpointsOfOnesOwn(t *testing.T) {
	const stsHost, iamHost = "vpce-1.sts.eu-central-1.vpce.amazonaws.com", "vpce-2.iam.us-east-1.vpce.amazonaws.com"
	a, n := offline(t, map[string]string{"AWS_REGION": "eu-central-1", "AWS_ENDPOINT_URL_STS": "https://" + stsHost})
	assert.Equal(t, call{stsHost, "eu-central-1"}, askSTS(t, a, n))
	assert.Equal(t, call{"iam.amazonaws.com", "us-east-1"}, askIAM(t, a, n))
	a, n = offline(t, map[string]string{"AWS_REGION": "eu-central-1", "AWS_ENDPOINT_URL_IAM": "https://" + iamHost})
	assert.Equal(t, call{"sts.eu-central-1.amazonaws.com", "eu-central-1"}, askSTS(t, a, n))
	assert.Equal(t, call{iamHost, "us-east-1"}, askIAM(t, a, n))
	for _, variable := range []string{"AWS_USE_FIPS_ENDPOINT", "AWS_USE_DUALSTACK_ENDPOINT"} {
		a, _ = offline(t, map[string]string{"AWS_REGION": "eu-central-1", "AWS_ENDPOINT_URL_STS": "https://" + stsHost, variable: "true"})
		_, err := a.Assume(t.Context(), wanting(t, "app"))
		require.ErrorContains(t, err, "and custom endpoint are not supported); set either AWS_ENDPOINT_URL")
	}
}

// TestTheGlobalEndpointOfSTSIsNeverUsed tries whatever makes some SDK use it.
func TestTheGlobalEndpointOfSTSIsNeverUsed(t *testing.T) {
	config := filepath.Join(t.TempDir(), "config")
	require.NoError(t, os.WriteFile(config, []byte("[default]\nsts_regional_endpoints = legacy\nregion = us-west-2\n"), 0o600))
	tests := map[string]struct {
		env  map[string]string
		want call
	}{
		"the variable":             {map[string]string{"AWS_REGION": "eu-west-1", "AWS_STS_REGIONAL_ENDPOINTS": "legacy"}, call{"sts.eu-west-1.amazonaws.com", "eu-west-1"}},
		"the variable, in its own": {map[string]string{"AWS_REGION": "us-east-1", "AWS_STS_REGIONAL_ENDPOINTS": "legacy"}, call{"sts.us-east-1.amazonaws.com", "us-east-1"}},
		"the configuration file":   {map[string]string{"AWS_CONFIG_FILE": config}, call{"sts.us-west-2.amazonaws.com", "us-west-2"}},
		"a Region that is none":    {map[string]string{"AWS_REGION": "aws-global"}, call{"sts.us-east-1.amazonaws.com", "us-east-1"}},
		"its FIPS endpoint":        {map[string]string{"AWS_REGION": "aws-global", "AWS_USE_FIPS_ENDPOINT": "true"}, call{"sts-fips.us-east-1.amazonaws.com", "us-east-1"}},
		"its dual-stack endpoint":  {map[string]string{"AWS_REGION": "aws-global", "AWS_USE_DUALSTACK_ENDPOINT": "true"}, call{"sts.us-east-1.api.aws", "us-east-1"}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			a, n := offline(t, tt.env)
			assert.Equal(t, tt.want, askSTS(t, a, n))
			for _, made := range n.calls {
				assert.NotEqual(t, "sts.amazonaws.com", made.host)
			}
		})
	}
}

// TestWebIdentityIsExchangedInTheRegion is about a client that the SDK makes by itself while
// it loads.
func TestWebIdentityIsExchangedInTheRegion(t *testing.T) {
	token := filepath.Join(t.TempDir(), "token")
	require.NoError(t, os.WriteFile(token, []byte("token"), 0o600))
	for name, tt := range map[string]struct {
		env  map[string]string
		imds string
		want string
	}{
		"of the environment": {map[string]string{"AWS_REGION": "me-south-1"}, "", "sts.me-south-1.amazonaws.com"},
		"of China":           {map[string]string{"AWS_REGION": "cn-north-1"}, "", "sts.cn-north-1.amazonaws.com.cn"},
		"that is none":       {map[string]string{"AWS_REGION": "aws-global"}, "", "sts.us-east-1.amazonaws.com"},
		"of the instance":    {nil, `{"region":"eu-west-1"}`, "sts.eu-west-1.amazonaws.com"},
	} {
		t.Run(name, func(t *testing.T) {
			isolate(t)
			if tt.imds != "" {
				metadataService(t, func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte(tt.imds)) })
			}
			for variable, value := range tt.env {
				t.Setenv(variable, value)
			}
			t.Setenv("AWS_MAX_ATTEMPTS", "1")
			t.Setenv("AWS_WEB_IDENTITY_TOKEN_FILE", token)
			t.Setenv("AWS_ROLE_ARN", "arn:aws:iam::123456789012:role/controller")
			n := &network{}
			cfg, err := loadConfig(t.Context(), ConfigOptions{}, reaching(t, n, tt.imds != ""))
			require.NoError(t, err)
			_, err = cfg.Credentials.Retrieve(context.Background())
			require.ErrorContains(t, err, "there is no network")
			assert.Equal(t, call{host: tt.want}, n.last(t))
		})
	}
}

// client is an aws.HTTPClient.
type client func(*http.Request) (*http.Response, error)

func (c client) Do(r *http.Request) (*http.Response, error) { return c(r) }

// reaching returns a client that reaches the instance metadata service, if there is one, and nothing else.
func reaching(t *testing.T, n *network, metadata bool) client {
	t.Helper()
	return func(r *http.Request) (*http.Response, error) {
		if metadata && "http://"+r.URL.Host == os.Getenv("AWS_EC2_METADATA_SERVICE_ENDPOINT") {
			return http.DefaultTransport.RoundTrip(r)
		}
		return n.Do(r)
	}
}
