package config

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestBoundsBelongToWhatIsTaken(t *testing.T) {
	for flag, tc := range map[string]struct{ taken, refused []string }{
		"workers":                 {[]string{"1", "1000"}, []string{"0", "1001"}},
		"drift-interval":          {[]string{"0", "720h"}, []string{"-1s", "720h1s"}},
		"orphan-sweep-interval":   {[]string{"0", "720h"}, []string{"-1s", "720h1s"}},
		"role-ready-timeout":      {[]string{"0", "1h"}, []string{"-1s", "1h1s"}},
		"max-roles-per-namespace": {[]string{"0", "10000"}, []string{"-1", "10001"}},
		"refresh-limit":           {[]string{"1s", "12h"}, []string{"999ms", "12h1s"}},
		"iam-qps":                 {[]string{"0.1", "100000"}, []string{"0", "-1", "100001", "NaN", "Inf"}},
		"listen-address":          {[]string{":0", "127.0.0.1:8080", "[::1]:8080"}, []string{":", "127.0.0.1", "8080"}},
		"apiserver":               {[]string{"http://127.0.0.1:8001", "https://api:6443"}, []string{"http://", "ftp://api", "api:6443"}},
		"default-region":          {[]string{"eu-central-1"}, []string{" eu-central-1", "eu-central-1 "}},
		"require-external-id":     {[]string{"off", "all", "true"}, []string{"", "some"}},

		"credentials-server-requests": {[]string{"cpu=200m,memory=32Mi", " none "}, []string{"=5m", "cpu=201m"}}, // of these limits
	} {
		for _, value := range tc.taken {
			_, _, err := parse(t, "--"+flag+"="+value)
			require.NoError(t, err, "--%s=%s", flag, value)
		}
		for _, value := range tc.refused {
			_, _, err := parse(t, "--"+flag+"="+value)
			require.Error(t, err, "--%s=%s", flag, value)
		}
	}
}

func TestFilesOfACertificateAreGivenTogether(t *testing.T) {
	for _, pair := range [][2]string{{"webhook-cert-file", "webhook-key-file"}, {"metrics-cert-file", "metrics-key-file"}} {
		for _, alone := range pair {
			_, _, err := parse(t, "--"+alone+"=file")
			require.ErrorContains(t, err, "must be set together with --"+pair[1])
		}
		_, _, err := parse(t, "--"+pair[0]+"=a", "--"+pair[1]+"=b")
		require.NoError(t, err)
	}
}

func TestArgumentsAfterTwoDashesAreNoFlags(t *testing.T) {
	for _, argument := range []string{"--odd", "--debug=true"} {
		_, _, err := parse(t, "trust-policy", "--cluster-name=prod", "team-a", "--", argument)
		assert.ErrorContains(t, err, `the second argument of trust-policy: "`+argument+`" is not the name of a ServiceAccount`)
	}
}

func TestHelpHasAShortFlag(t *testing.T) {
	_, _, err := parse(t, "-h")
	assert.ErrorIs(t, err, ErrHelp)
}

func TestSuggestionsAreOfWhatIsOfUse(t *testing.T) {
	_, _, err := parse(t, "--event-queue-sizes=5")
	require.ErrorContains(t, err, "unknown flag")
	assert.NotContains(t, err.Error(), "did you mean", "it has no effect")
	_, _, err = parse(t, "trust-policy")
	require.Error(t, err)
	assert.NotContains(t, err.Error(), "did you mean", "it is a command")
	t.Setenv("KUBE_AWS_IAM_EVENT_QUEUE_SIZES", "5")
	_, _, err = parse(t)
	require.ErrorContains(t, err, "there is no such setting")
	assert.NotContains(t, err.Error(), "did you mean")
}
