package cli

import (
	"bytes"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"k8s.io/cli-runtime/pkg/genericiooptions"
)

func TestHelpBeginsWithExamplesAndLeavesOutWhatAllCommandsHave(t *testing.T) {
	code, stdout, stderr := run(t, "version", "--help")
	assert.Equal(t, 0, code)
	assert.Empty(t, stderr)
	before := -1
	for _, part := range []string{"Examples:\n", "Options:\n      --client ", "Usage:\n  kubectl aws-iam version [flags]\n", `Use "kubectl aws-iam options"`} {
		at := strings.Index(stdout, part)
		require.Greater(t, at, before, "%q in its place in\n%s", part, stdout)
		before = at
	}
	assert.NotContains(t, stdout, "--kubeconfig")

	_, stdout, _ = run(t, "--help")
	assert.Contains(t, stdout, "Commands:\n")
	assert.NotContains(t, stdout, "--kubeconfig")

	_, stdout, _ = run(t, "options")
	assert.Contains(t, stdout, "--kubeconfig")
	assert.Contains(t, stdout, "-n, --namespace")
}

func TestEveryCommandTeachesByExample(t *testing.T) {
	root := newRoot("v1.2.3", genericiooptions.IOStreams{In: &bytes.Buffer{}, Out: &bytes.Buffer{}, ErrOut: &bytes.Buffer{}})
	require.NotEmpty(t, root.Commands())
	for _, cmd := range root.Commands() {
		assert.NotEmpty(t, cmd.Short, cmd.Name())
		assert.False(t, strings.HasSuffix(cmd.Short, "."), "%s: %s", cmd.Name(), cmd.Short)
		assert.Contains(t, cmd.Example, "kubectl aws-iam "+cmd.Name(), cmd.Name())
		for line := range strings.Lines(cmd.Example) {
			assert.True(t, strings.TrimSpace(line) == "" || strings.HasPrefix(line, "  "), "%s: %q is not indented", cmd.Name(), line)
		}
	}
}
