package attacks

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"kube-aws-iam-controller/test/cluster"
)

var update = flag.Bool("update", false, "write the list of attacks in docs/security.md")

const begin = "## Attack tests\n"

func TestTheAttacksAreDocumented(t *testing.T) {
	root, err := cluster.Root()
	require.NoError(t, err)
	path := filepath.Join(root, "docs", "security.md")
	page, err := os.ReadFile(path)
	require.NoError(t, err)
	head, said, found := strings.Cut(string(page), begin)
	require.True(t, found)
	introduction, _, _ := strings.Cut(said, "\n### ")
	want := head + begin + strings.TrimRight(introduction, "\n") + "\n\n" + list(t)
	if *update {
		require.NoError(t, os.WriteFile(path, []byte(want), 0o600))
		return
	}
	assert.Equal(t, want, string(page), "make docs writes it")
}

// list is a table of the attacks of each actor, each attack once.
func list(t *testing.T) string {
	t.Helper()
	all := slices.Clone(floods)
	for _, each := range slices.Backward(installations) {
		all = slices.Concat(slices.Concat(each.attacks...), all)
	}
	seen := map[string]bool{}
	tables := map[actor]string{}
	for _, each := range all {
		if !seen[each.intent] {
			tables[each.actor] += fmt.Sprintf("| %s | %s |\n", each.intent, each.by)
		}
		seen[each.intent] = true
	}
	assert.GreaterOrEqual(t, len(seen), 40)
	var text []string
	for _, who := range sortedKeys(tables) {
		text = append(text, fmt.Sprintf("### %s\n\n| tries to | what stops it |\n| --- | --- |\n%s", actors[who], tables[who]))
	}
	return strings.Join(text, "\n")
}
