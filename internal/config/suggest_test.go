package config

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestSimilarNameIsSuggested(t *testing.T) {
	for name, tc := range map[string]struct {
		args []string
		want string
	}{
		"a flag without its dash":       {[]string{"--clustername=prod"}, `unknown flag "--clustername" (did you mean --cluster-name?), see --help`},
		"a flag with an underscore":     {[]string{"--cluster_name", "prod"}, "did you mean --cluster-name?"},
		"a flag in capitals":            {[]string{"--Cluster-Name=prod"}, "did you mean --cluster-name?"},
		"letters exchanged":             {[]string{"--refersh-limit=1m"}, "did you mean --refresh-limit?"},
		"a letter too few":              {[]string{"--leader-elec"}, "did you mean --leader-elect?"},
		"a switch that is negated":      {[]string{"--no-leader-elct"}, `unknown flag "--no-leader-elct"`},
		"a single dash":                 {[]string{"-debug"}, `unknown flag "-debug" (did you mean --debug?)`},
		"a flag behind a command":       {[]string{"version", "--debugg"}, "did you mean --debug?"},
		"a command":                     {[]string{"versin"}, "did you mean version?"},
		"a command behind a flag":       {[]string{"--debug", "trustpolicy", "ns"}, "did you mean trust-policy?"},
		"the version with another word": {[]string{"--versio"}, "did you mean --version?"},
	} {
		t.Run(name, func(t *testing.T) {
			_, _, err := parse(t, tc.args...)
			assert.ErrorContains(t, err, tc.want)
		})
	}
}

func TestNothingIsSuggestedIfNoNameIsSimilar(t *testing.T) {
	for _, arg := range []string{"--no-such", "--x", "run", "--" + string(make([]byte, 100_000))} {
		_, _, err := parse(t, arg)
		require.Error(t, err)
		assert.NotContains(t, err.Error(), "did you mean", arg)
		assert.Less(t, len(err.Error()), 1000)
	}
}

func TestSimilarVariableIsSuggested(t *testing.T) {
	t.Setenv("KUBE_AWS_IAM_CLUSTERNAME", "prod")
	_, _, err := parse(t)
	assert.ErrorContains(t, err, "environment variable KUBE_AWS_IAM_CLUSTERNAME: there is no such setting (did you mean KUBE_AWS_IAM_CLUSTER_NAME?), see --help")
}

func TestVersionIsAlsoAFlag(t *testing.T) {
	t.Setenv("KUBE_AWS_IAM_CLUSTERNAME", "prod")
	for name, args := range map[string][]string{
		"alone": {"--version"}, "with other flags": {"--debug", "--version", "--workers=0"}, "with a command": {"controller", "--version"},
	} {
		t.Run(name, func(t *testing.T) {
			command, _, err := parse(t, args...)
			require.NoError(t, err)
			assert.Equal(t, Version, command)
		})
	}
}

func TestTrustPolicyRequiresAClusterName(t *testing.T) {
	_, _, err := parse(t, "trust-policy", "team-a")
	assert.ErrorContains(t, err, "--cluster-name (KUBE_AWS_IAM_CLUSTER_NAME): trust-policy needs the name that the controller runs with")
}
