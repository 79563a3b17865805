package exec

import (
	"maps"
	"os"
	"slices"
	"strings"
)

// overriding are the variables that would give a program other credentials, or other
// authorization for the endpoint, than those it is to have. SDKs look at all of them before
// they look at an endpoint:
// https://docs.aws.amazon.com/sdkref/latest/guide/standardized-credentials.html.
var overriding = []string{
	"AWS_PROFILE", "AWS_DEFAULT_PROFILE",
	"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_CREDENTIAL_EXPIRATION",
	"AWS_ACCESS_KEY", "AWS_SECRET_KEY", "AWS_SECURITY_TOKEN", // older names
	"AWS_WEB_IDENTITY_TOKEN_FILE", "AWS_ROLE_ARN", "AWS_ROLE_SESSION_NAME",
	"AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE",
	"AWS_CREDENTIAL_PROFILES_FILE", "AWS_CREDENTIAL_FILE",
	"AWS_AUTH_SCHEME_PREFERENCE", // which can ask for a bearer token
}

// bearerToken begins the names of variables with a token for one service, which SDKs send in
// the place of a signature, so that no credentials are looked for at all:
// https://docs.aws.amazon.com/bedrock/latest/userguide/api-keys-use.html and
// https://docs.aws.amazon.com/sdkref/latest/guide/feature-auth-scheme.html.
const bearerToken = "AWS_BEARER_TOKEN_"

// regionVariables name the Region. SDKs differ in which one they read.
var regionVariables = []string{"AWS_REGION", "AWS_DEFAULT_REGION"}

// environment returns that of the program: the user's own, with the endpoint in the place of
// all other sources of credentials. pod is the Region that pods are given, which comes before
// the user's variables, and configured the user's own, for what these lack; each "" for none.
func environment(own []string, from *endpoint, pod, configured string) []string {
	set := map[string]string{
		"AWS_CONTAINER_CREDENTIALS_FULL_URI": from.url,
		"AWS_CONTAINER_AUTHORIZATION_TOKEN":  from.token,
		// A profile default in one of the user's files would win over the endpoint.
		"AWS_SHARED_CREDENTIALS_FILE": os.DevNull,
		"AWS_CONFIG_FILE":             os.DevNull,
		"BOTO_CONFIG":                 os.DevNull,
		// What pods are given as well.
		"AWS_SDK_LOAD_CONFIG":        "true",
		"AWS_EC2_METADATA_DISABLED":  "true",
		"AWS_STS_REGIONAL_ENDPOINTS": "regional",
	}
	maps.Copy(set, withoutProxy(own))
	for _, name := range regionVariables {
		switch {
		case pod != "":
			set[name] = pod
		case configured != "" && !isSet(own, name):
			set[name] = configured
		}
	}
	env := slices.DeleteFunc(slices.Clone(own), func(pair string) bool {
		name := nameOf(pair)
		_, replaced := set[name]
		return replaced || slices.Contains(overriding, name) || strings.HasPrefix(name, bearerToken)
	})
	for _, name := range slices.Sorted(maps.Keys(set)) {
		env = append(env, name+"="+set[name])
	}
	return env
}

// nameOf returns the name of a variable in capitals, in which Windows does not distinguish.
func nameOf(pair string) string {
	name, _, _ := strings.Cut(pair, "=")
	return strings.ToUpper(name)
}

// isSet reports whether a variable has a value.
func isSet(own []string, name string) bool {
	return slices.ContainsFunc(own, func(pair string) bool { return nameOf(pair) == name && !strings.HasSuffix(pair, "=") })
}
