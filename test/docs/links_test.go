package docs

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

var (
	link     = regexp.MustCompile(`(?s)\[[^\]]*\]\(([^)\s]+)\)`)
	heading  = regexp.MustCompile(`(?m)^#{1,6} (.+)$`)
	noLetter = regexp.MustCompile(`[^\p{L}\p{N} _-]`)
	// mention is how code, manifests and comments point to a page.
	mention = regexp.MustCompile(`\bdocs/[A-Za-z0-9/_-]+\.md(#[a-z0-9-]+)?`)
	// record is how they point to a decision.
	record = regexp.MustCompile(`\bdocs/adr/(\d{4})\b`)
)

// anchors are what a page can be linked to at, as GitHub names headings.
func anchors(text string) map[string]bool {
	found := map[string]bool{}
	for _, match := range heading.FindAllStringSubmatch(page{text: text}.prose(), -1) {
		title := link.ReplaceAllStringFunc(match[1], func(s string) string { return s[1:strings.Index(s, "](")] })
		slug := strings.ReplaceAll(noLetter.ReplaceAllString(strings.ToLower(title), ""), " ", "-")
		name := slug
		for i := 1; found[name]; i++ {
			name = fmt.Sprintf("%s-%d", slug, i)
		}
		found[name] = true
	}
	return found
}

// leads says why a path from the root of the repository, with or without an anchor, leads nowhere.
func leads(t *testing.T, target string) error {
	t.Helper()
	name, anchor, hasAnchor := strings.Cut(target, "#")
	path := filepath.Join(root(t), name)
	if _, err := os.Stat(path); err != nil {
		return err
	}
	if !hasAnchor {
		return nil
	}
	text, err := os.ReadFile(path)
	if err == nil && !anchors(string(text))[anchor] {
		err = fmt.Errorf("%s has no heading #%s", name, anchor)
	}
	return err
}

func TestLinksLeadSomewhere(t *testing.T) {
	count := 0
	for _, p := range pages(t) {
		for _, match := range link.FindAllStringSubmatch(p.prose(), -1) {
			target := match[1]
			if strings.Contains(target, "://") {
				continue
			}
			count++
			if strings.HasPrefix(target, "#") {
				target = filepath.Base(p.name) + target
			}
			if err := leads(t, filepath.Join(filepath.Dir(p.name), target)); err != nil {
				t.Errorf("%s links to %s: %v", p.name, match[1], err)
			}
		}
	}
	require.GreaterOrEqual(t, count, 100)
}

func TestPagesThatCodeAndManifestsPointToExist(t *testing.T) {
	count := 0
	for _, name := range files(t, ".go", ".yaml", ".tf", ".json") {
		text := read(t, name)
		for _, target := range mention.FindAllString(text, -1) {
			count++
			if err := leads(t, target); err != nil {
				t.Errorf("%s points to %s: %v", name, target, err)
			}
		}
		for _, match := range record.FindAllStringSubmatch(text, -1) {
			found, err := filepath.Glob(filepath.Join(root(t), "docs", "adr", match[1]+"-*.md"))
			require.NoError(t, err)
			assert.Len(t, found, 1, "%s points to record %s", name, match[1])
		}
	}
	require.GreaterOrEqual(t, count, 10)
}

func TestEveryPageIsLinkedTo(t *testing.T) {
	linked := map[string]bool{}
	for _, p := range pages(t) {
		for _, match := range link.FindAllStringSubmatch(p.prose(), -1) {
			target, _, _ := strings.Cut(match[1], "#")
			linked[filepath.Join(filepath.Dir(p.name), target)] = true
		}
	}
	for _, p := range pages(t) {
		if strings.HasPrefix(p.name, "docs/") {
			assert.True(t, linked[p.name], "nothing links to %s", p.name)
		}
	}
}

func TestAnchorsAreThoseOfGitHub(t *testing.T) {
	assert.Equal(t, map[string]bool{
		"1-give-the-controller-an-iam-role": true, "the-label-iamamazonawscomrequests": true, "twice": true, "twice-1": true,
		"retained-roles": true,
	}, anchors("# 1. Give the controller an IAM role\n### The label `iam.amazonaws.com/requests`\n## Twice\n## Twice\n## [Retained](x.md) roles\n```sh\n# no heading\n```\n"))
}
