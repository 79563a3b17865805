package exec

import (
	"maps"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
)

var from = &endpoint{url: "http://127.0.0.1:1234/v1/credentials", token: "token"}

// variables returns an environment as a map, and requires that each variable is in it once.
func variables(t *testing.T, env []string) map[string]string {
	t.Helper()
	all := map[string]string{}
	for _, pair := range env {
		name, value, _ := strings.Cut(pair, "=")
		assert.NotContains(t, all, name, "twice")
		all[name] = value
	}
	return all
}

func TestTheEnvironmentIsTheUsersWithoutOtherCredentials(t *testing.T) {
	own := []string{"PATH=/bin", "AWS_ENDPOINT_URL=http://127.0.0.1:1", "aws_profile_of_mine=x", "EMPTY=", "=C:=C:\\", "AWS_PAGER=",
		"AWS_EC2_METADATA_DISABLED=false", "AWS_CONFIG_FILE=/home/me/config"}
	for _, name := range overriding {
		own = append(own, name+"=other")
	}
	env := variables(t, environment(own, from, "", ""))
	for _, name := range overriding {
		assert.NotContains(t, env, name)
	}
	assert.Equal(t, map[string]string{
		"PATH": "/bin", "AWS_ENDPOINT_URL": "http://127.0.0.1:1", "aws_profile_of_mine": "x", "EMPTY": "", "": "C:=C:\\", "AWS_PAGER": "",
		"AWS_CONTAINER_CREDENTIALS_FULL_URI": from.url,
		"AWS_CONTAINER_AUTHORIZATION_TOKEN":  from.token,
		"AWS_SHARED_CREDENTIALS_FILE":        os.DevNull,
		"AWS_CONFIG_FILE":                    os.DevNull,
		"BOTO_CONFIG":                        os.DevNull,
		"AWS_SDK_LOAD_CONFIG":                "true",
		"AWS_EC2_METADATA_DISABLED":          "true",
		"AWS_STS_REGIONAL_ENDPOINTS":         "regional",
		"NO_PROXY":                           "127.0.0.1",
		"no_proxy":                           "127.0.0.1",
	}, env)
}

func TestBearerTokensOfTheUserAreNotThere(t *testing.T) {
	own := []string{"AWS_BEARER_TOKEN_BEDROCK=other", "AWS_BEARER_TOKEN_A_SERVICE_TO_COME=other", "aws_bearer_token_bedrock=other",
		"AWS_AUTH_SCHEME_PREFERENCE=httpBearerAuth,sigv4", "MY_AWS_BEARER_TOKEN_BEDROCK=mine"}
	env := variables(t, environment(own, from, "", ""))
	assert.Equal(t, "mine", env["MY_AWS_BEARER_TOKEN_BEDROCK"])
	assert.NotContains(t, slices.Collect(maps.Values(env)), "other")
	assert.NotContains(t, env, "AWS_AUTH_SCHEME_PREFERENCE")
}

func TestTheCaseOfVariablesDoesNotHideThem(t *testing.T) {
	env := environment([]string{"Aws_Profile=other", "aws_access_key_id=other"}, from, "", "")
	assert.False(t, slices.ContainsFunc(env, func(pair string) bool { return strings.HasSuffix(pair, "=other") }), env)
}

func TestTheRegionIsThatOfThePodElseTheUsersOwn(t *testing.T) {
	for name, tt := range map[string]struct {
		own             []string
		pod, configured string
		first, second   string
	}{
		"of the pod":         {[]string{"AWS_REGION=own"}, "pod", "file", "pod", "pod"},
		"of the user":        {[]string{"AWS_REGION=own", "AWS_DEFAULT_REGION=default"}, "", "own", "own", "default"},
		"of one variable":    {[]string{"AWS_REGION=own"}, "", "own", "own", "own"},
		"of the older one":   {[]string{"AWS_DEFAULT_REGION=default"}, "", "default", "default", "default"},
		"of a file":          {nil, "", "file", "file", "file"},
		"an empty variable":  {[]string{"AWS_REGION="}, "", "file", "file", "file"},
		"of nobody":          {nil, "", "", "", ""},
		"an empty one alone": {[]string{"AWS_REGION="}, "", "", "", ""},
	} {
		t.Run(name, func(t *testing.T) {
			env := variables(t, environment(tt.own, from, tt.pod, tt.configured))
			assert.Equal(t, tt.first, env["AWS_REGION"])
			assert.Equal(t, tt.second, env["AWS_DEFAULT_REGION"])
		})
	}
}
