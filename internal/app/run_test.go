package app

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"k8s.io/klog/v2"
)

func TestControllerThatCannotStartSaysWhy(t *testing.T) {
	t.Cleanup(klog.ClearLogger)
	for variable, value := range map[string]string{"KUBERNETES_SERVICE_HOST": "", "GOGC": "100", "GOMEMLIMIT": "4GiB"} {
		t.Setenv(variable, value)
	}
	code, _, stderr := command(t, "--cluster-name=prod")
	assert.Equal(t, exitError, code)
	assert.Contains(t, stderr, "not running in a cluster")
}

func TestHelpIsNoFailure(t *testing.T) {
	code, stdout, stderr := command(t, "--help")
	assert.Zero(t, code)
	assert.Contains(t, stdout, "--cluster-name")
	assert.Empty(t, stderr)
}
