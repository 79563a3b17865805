package app

import (
	"os"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// initialized matches what the runtime says of a package of ours.
var initialized = regexp.MustCompile(`(?m)^init (kube-aws-iam-controller/internal/\S+) .* clock, (\d+) bytes`)

// TestPackagesAllocateLittleAtTheStart finds what is held for the life of the process although
// hardly anybody needs it, such as what a repeated \p{L} of a regular expression compiles to.
func TestPackagesAllocateLittleAtTheStart(t *testing.T) {
	c := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^$")
	c.Env = []string{"GODEBUG=inittrace=1"}
	out, err := c.CombinedOutput()
	require.NoError(t, err)
	found := initialized.FindAllStringSubmatch(string(out), -1)
	require.Greater(t, len(found), 5, string(out))
	for _, line := range found {
		if strings.HasSuffix(line[1], "/awssim") {
			continue // is in tests alone
		}
		bytes, err := strconv.Atoi(line[2])
		require.NoError(t, err)
		assert.Less(t, bytes, 300<<10, "%s allocates that at the start", line[1])
	}
}
