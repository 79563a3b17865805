package cluster

import (
	"os"
	"os/exec"
	"strconv"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// claimVariable makes the test binary claim a port in the directory, and exit with 0 if it was given that.
const claimVariable = "TEST_CLAIM_IN"

func TestAPortIsGivenToOneProcessUntilThatEnds(t *testing.T) {
	const port = 20001
	if dir := os.Getenv(claimVariable); dir != "" {
		ours, err := claim(dir, port)
		require.NoError(t, err)
		require.True(t, ours)
		return
	}
	dir := t.TempDir()
	anotherProcess := func() error {
		c := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^"+t.Name()+"$")
		c.Env = append(os.Environ(), claimVariable+"="+dir)
		return c.Run()
	}
	require.NoError(t, anotherProcess())
	ours, err := claim(dir, port)
	require.NoError(t, err)
	assert.True(t, ours, "the process that held it has ended")
	require.Error(t, anotherProcess(), "it is held by this one")
	again, err := claim(dir, port)
	require.NoError(t, err)
	assert.False(t, again, "nor is it given twice by one process")
}

func TestFreePortsDiffer(t *testing.T) {
	seen := map[string]bool{}
	ports, err := FreePorts(t.Context(), 50)
	require.NoError(t, err)
	for _, port := range ports {
		seen[strconv.Itoa(port)] = true
	}
	assert.Len(t, seen, 50)
}
