package rights

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"kube-aws-iam-controller/test/cluster"
)

var update = flag.Bool("update", false, "write docs/permissions.md with what was verified")

const head = `# Permissions

What each permission of the controller's ServiceAccount is for, verified by removing it: ` + "`TestNoRightIsThereForNothing`" + ` takes away
each of them on a real API server, and checks that what is listed next to it no longer works and that nothing else is refused. For
permissions to watch it checks that the controller reports what it lacks. ` + "`TestTheRightsAreEnough`" + ` checks that with all of them
nothing is ever refused. ` + "`make docs`" + ` writes this page. Permissions of users are not listed here.

If a permission is missing, the log of the controller quotes the API server. If it keeps the controller from watching a kind of
object, the log also says "not served until the API server allows it".

API servers that send lists through watches (by default those of Kubernetes 1.32, and from 1.34 on) are asked for no lists except those of
pods. With these, the other permissions to list are not needed.
`

// page is what is said of all rights, role by role.
func page(t *testing.T) string {
	t.Helper()
	var text strings.Builder
	text.WriteString(head)
	for _, s := range sets {
		fmt.Fprintf(&text, "\n## %s\n", s.name)
		var of *grant
		for _, r := range s.rights(t) {
			if !s.verifies(r) {
				continue
			}
			if r.grant != of {
				of = r.grant
				fmt.Fprintf(&text, "\n%s `%s`%s:\n\n| permission | without it |\n| --- | --- |\n", of.kind, of.name, of.where())
			}
			l := s.losses[r.String()]
			without := l.without
			if l.older {
				without += " (if lists are used)"
			}
			fmt.Fprintf(&text, "| `%s` | %s |\n", r, without)
		}
	}
	return text.String()
}

func (g *grant) where() string {
	if g.namespace == "" {
		return ""
	}
	return " in the controller's namespace"
}

func TestRightsAreAsDocumented(t *testing.T) {
	root, err := cluster.Root()
	require.NoError(t, err)
	path := filepath.Join(root, "docs", "permissions.md")
	want := page(t)
	if *update {
		require.NoError(t, os.WriteFile(path, []byte(want), 0o644))
	}
	documented, err := os.ReadFile(path)
	require.NoError(t, err)
	assert.Equal(t, want, string(documented), "make docs writes what was verified")
}
