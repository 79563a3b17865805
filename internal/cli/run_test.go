package cli

import (
	"bytes"
	"testing"

	"github.com/stretchr/testify/assert"
	"k8s.io/cli-runtime/pkg/genericiooptions"
)

func run(t *testing.T, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	var out, errOut bytes.Buffer
	code = Run(t.Context(), "v1.2.3", args, genericiooptions.IOStreams{In: &bytes.Buffer{}, Out: &out, ErrOut: &errOut})
	return code, out.String(), errOut.String()
}

func TestTheVersionNeedsNoCluster(t *testing.T) {
	code, stdout, stderr := run(t, "version", "--client")
	assert.Equal(t, 0, code)
	assert.Equal(t, "kubectl aws-iam v1.2.3\n", stdout)
	assert.Empty(t, stderr)
}

func TestAMistypedCommandIsNamed(t *testing.T) {
	code, stdout, stderr := run(t, "versio")
	assert.Equal(t, 1, code)
	assert.Empty(t, stdout)
	assert.Contains(t, stderr, `error: unknown command "versio"`)
	assert.Contains(t, stderr, "version")
}
