package cli

import (
	"bytes"
	"strings"
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

func TestWhoGivesTheWrongArgumentsIsToldTheRightOnes(t *testing.T) {
	for args, says := range map[string]string{
		"status app":                            `kubectl aws-iam status takes no arguments such as "app": select by labels with --selector`,
		"check kube-system":                     "give the controller's namespace with --namespace",
		"migrate manifests/":                    "give files and directories with --filename",
		"migrate":                               "name the manifests with --filename, - for standard input, or give --from-cluster",
		"migrate -f https://example.com/a.yaml": "curl --silent URL | kubectl aws-iam migrate -f -",
		"trust-policy":                          "kubectl aws-iam trust-policy NAMESPACE [SERVICEACCOUNT]",
		"explain":                               "name what to explain: pod/NAME",
		"status --no-header":                    "See 'kubectl aws-iam status --help' for usage",
	} {
		t.Run(args, func(t *testing.T) {
			code, stdout, stderr := run(t, strings.Fields(args)...)
			assert.Equal(t, 1, code)
			assert.Empty(t, stdout)
			assert.Contains(t, stderr, says)
		})
	}
}
