package config

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestInstalledConfigurationIsReadFromTheContainerAlone(t *testing.T) {
	t.Setenv("KUBE_AWS_IAM_CLUSTER_NAME", "of-this-process")
	t.Setenv("KUBE_AWS_IAM_ROLE_PATH", "/of-this-process/")
	for name, tt := range map[string]struct {
		args []string
		env  map[string]string
		want string
	}{
		"a flag":                                  {args: []string{"--leader-elect", "--cluster-name=prod"}, want: "prod"},
		"a flag and its value":                    {args: []string{"--cluster-name", "prod"}, want: "prod"},
		"a variable":                              {args: []string{"--leader-elect"}, env: map[string]string{"KUBE_AWS_IAM_CLUSTER_NAME": "prod"}, want: "prod"},
		"a flag before a variable":                {args: []string{"--cluster-name=prod"}, env: map[string]string{"KUBE_AWS_IAM_CLUSTER_NAME": "test"}, want: "prod"},
		"an empty variable, which is unset":       {env: map[string]string{"KUBE_AWS_IAM_CLUSTER_NAME": "", "KUBE_AWS_IAM_WORKERS": ""}, want: ""},
		"variables that are not the controller's": {env: map[string]string{"AWS_REGION": "eu-central-1"}, want: ""},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := ParseInstalled(tt.args, tt.env)
			require.NoError(t, err)
			assert.Equal(t, tt.want, got.ClusterName)
			assert.Empty(t, got.RolePath)
			assert.Equal(t, 30, got.Workers, "what is not given has its default")
		})
	}
}

func TestInstalledConfigurationNegatesAVariable(t *testing.T) {
	env := map[string]string{"KUBE_AWS_IAM_SESSION_TAGS": "true", "KUBE_AWS_IAM_NAMESPACE_RESTRICTIONS": "true"}
	got, err := ParseInstalled([]string{"--no-session-tags"}, env)
	require.NoError(t, err)
	assert.False(t, got.SessionTags)
	assert.True(t, got.NamespaceRestrictions)
}

func TestInstalledConfigurationOfAnotherVersionIsAnError(t *testing.T) {
	_, err := ParseInstalled([]string{"--of-tomorrow=1"}, nil)
	require.ErrorContains(t, err, "--of-tomorrow")
	_, err = ParseInstalled(nil, map[string]string{"KUBE_AWS_IAM_WORKERS": "many"})
	require.ErrorContains(t, err, "workers")
}
