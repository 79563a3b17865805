package docs

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"kube-aws-iam-controller/test/cluster"
)

// A page is a Markdown document, by its path from the root of the repository.
type page struct{ name, text string }

// A block is a fenced block of a page.
type block struct {
	page, language string
	line           int
	lines          []string
}

func root(t *testing.T) string {
	t.Helper()
	dir, err := cluster.Root()
	require.NoError(t, err)
	return dir
}

// skipped are directories that hold nothing of ours.
var skipped = map[string]bool{".git": true, "bin": true, ".bin": true, "node_modules": true}

// files returns the paths of all files of the repository whose name has one of the extensions; none for all.
func files(t *testing.T, extensions ...string) (paths []string) {
	t.Helper()
	dir := root(t)
	require.NoError(t, filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if entry.IsDir() && skipped[entry.Name()] {
			return fs.SkipDir
		}
		wanted := len(extensions) == 0
		for _, extension := range extensions {
			wanted = wanted || filepath.Ext(path) == extension
		}
		if !wanted || !entry.Type().IsRegular() {
			return nil
		}
		name, err := filepath.Rel(dir, path)
		paths = append(paths, name)
		return err
	}))
	return paths
}

func read(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(root(t), name))
	require.NoError(t, err)
	return string(text)
}

// pages returns all documents, those of the root first.
func pages(t *testing.T) (all []page) {
	t.Helper()
	for _, name := range files(t, ".md") {
		all = append(all, page{name: name, text: read(t, name)})
	}
	require.GreaterOrEqual(t, len(all), 20)
	return all
}

var fence = regexp.MustCompile("^( *)```([a-z]*)$")

// blocks returns the fenced blocks of a page, without the indentation of their fences.
func (p page) blocks(t *testing.T) (all []block) {
	t.Helper()
	var open *block
	var indent string
	for i, line := range strings.Split(p.text, "\n") {
		parts := fence.FindStringSubmatch(line)
		switch {
		case parts != nil && open == nil:
			indent, open = parts[1], &block{page: p.name, language: parts[2], line: i + 2}
		case parts != nil:
			all, open = append(all, *open), nil
		case open != nil:
			open.lines = append(open.lines, strings.TrimPrefix(line, indent))
		}
	}
	require.Nil(t, open, "%s: a block is not closed", p.name)
	return all
}

func (b block) text() string { return strings.Join(b.lines, "\n") + "\n" }

// prose is a page without what is in its blocks.
func (p page) prose() string {
	var kept []string
	inside := false
	for line := range strings.SplitSeq(p.text, "\n") {
		if fence.MatchString(line) {
			inside = !inside
		} else if !inside {
			kept = append(kept, line)
		}
	}
	return strings.Join(kept, "\n")
}

// section returns what is between a heading of a page and the next one of its level.
func section(t *testing.T, text, heading string) string {
	t.Helper()
	_, after, found := strings.Cut(text, "\n"+heading+"\n")
	require.True(t, found, heading)
	level, _, _ := strings.Cut(heading, " ")
	within, _, _ := strings.Cut(after, "\n"+level+" ")
	return within
}
