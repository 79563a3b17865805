package migrate

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// A cluster as kubectl get prints it is one document. Work for each object that grows with the document would take hours.
func TestAListOfAWholeClusterIsConverted(t *testing.T) {
	const objects, size = 6000, 10 << 20
	var text strings.Builder
	text.WriteString("apiVersion: v1\nkind: List\nitems:\n")
	filler := strings.Repeat("x", size/objects)
	for i := range objects {
		fmt.Fprintf(&text, "- apiVersion: v1\n  kind: ServiceAccount\n  metadata: {name: app-%d, namespace: team-a}\n", i)
		fmt.Fprintf(&text, "- apiVersion: v1\n  kind: Pod\n  metadata:\n    name: app-%d\n    namespace: team-a\n    annotations:\n"+
			"      iam.amazonaws.com/role: app-%d\n      filler: %s\n  spec:\n    serviceAccountName: app-%d\n", i, i, filler, i)
	}
	file := filepath.Join(t.TempDir(), "cluster.yaml")
	require.NoError(t, os.WriteFile(file, []byte(text.String()), 0o600))
	stdout, stderr, code := migrate(t, "-f", file, "--remove-old", "--plan", filepath.Join(t.TempDir(), "plan"))
	require.Zero(t, code, stderr)
	assert.Equal(t, objects, strings.Count(stdout, "annotations: {iam.amazonaws.com/role: app-"))
	assert.Equal(t, objects, strings.Count(stdout, "iam.amazonaws.com/role"), "the old ones are gone")
	assert.Equal(t, objects, strings.Count(stdout, filler))
}
