package app

import (
	"os"
	"os/exec"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// runVariable makes the test binary the controller: what that sets for the whole process
// has no place among other tests.
const runVariable = "TEST_RUN_CONTROLLER"

func TestControllerThatCannotStartSaysWhy(t *testing.T) {
	if os.Getenv(runVariable) != "" {
		os.Exit(Run(t.Context(), "v1", []string{"--cluster-name=prod"}, os.Stdout, os.Stderr))
	}
	c := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^"+t.Name()+"$")
	c.Env = []string{runVariable + "=yes"}
	out, err := c.CombinedOutput()
	var failed *exec.ExitError
	require.ErrorAs(t, err, &failed)
	assert.Equal(t, exitError, failed.ExitCode())
	assert.Contains(t, string(out), "not running in a cluster")
}

func TestHelpIsNoFailure(t *testing.T) {
	code, stdout, stderr := command(t, "--help")
	assert.Zero(t, code)
	assert.Contains(t, stdout, "--cluster-name")
	assert.Empty(t, stderr)
}
