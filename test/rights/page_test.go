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

var update = flag.Bool("update", false, "write docs/rights.md as it is proven")

const head = `# Rights

What each single right of the controller's ServiceAccount is for. ` + "`TestNoRightIsThereForNothing`" + ` takes away each of them, on a
real API server, and sees that what stands beside it is lost, and that nothing else is refused; of a right to watch it sees that the
controller says that it lacks it. ` + "`TestTheRightsAreEnough`" + ` sees that with all of them nothing is ever refused. ` + "`make docs`" + `
writes this page. Users have rights of their own, which are not counted here.

What the controller is refused is in its log, in the API server's words; where that keeps it from watching a kind of object, with "not
served until the API server allows it".

API servers that send lists through watches, by default those of Kubernetes 1.32 and from 1.34 on, are asked for no lists but those of
pods. On these the other rights to list are not missed.
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
			if r.grant != of {
				of = r.grant
				fmt.Fprintf(&text, "\n%s `%s`%s:\n\n| right | without it |\n| --- | --- |\n", of.kind, of.name, of.where())
			}
			l := s.losses[r.String()]
			without := l.without
			if l.older {
				without += ", where lists are asked for"
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
	return " in the controller's own namespace"
}

func TestRightsAreAsDocumented(t *testing.T) {
	root, err := cluster.Root()
	require.NoError(t, err)
	path := filepath.Join(root, "docs", "rights.md")
	want := page(t)
	if *update {
		require.NoError(t, os.WriteFile(path, []byte(want), 0o644))
	}
	documented, err := os.ReadFile(path)
	require.NoError(t, err)
	assert.Equal(t, want, string(documented), "make docs writes what is proven")
}
