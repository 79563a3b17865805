package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"sigs.k8s.io/yaml"
)

func read(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	require.NoError(t, err)
	return string(text)
}

func parse(t *testing.T, path string, into any) {
	t.Helper()
	require.NoError(t, yaml.Unmarshal([]byte(read(t, path)), into), path)
}

// workflow is as much of a workflow as is held here.
type workflow struct {
	Permissions map[string]string
	Jobs        map[string]struct {
		Uses           string
		TimeoutMinutes int `json:"timeout-minutes"`
		Steps          []struct {
			Uses, Run string
			With      map[string]any
		}
	}
}

func TestWorkflowsRunWhatEverybodyRuns(t *testing.T) {
	pinned := regexp.MustCompile(`^\S+@[0-9a-f]{40}$`)
	for path, runs := range map[string]string{".github/workflows/ci.yml": ".ci/run", ".github/workflows/release.yml": "make release "} {
		var w workflow
		parse(t, path, &w)
		assert.Equal(t, map[string]string{"contents": "read"}, w.Permissions, path)
		var commands []string
		for name, job := range w.Jobs {
			if job.Uses != "" {
				assert.FileExists(t, job.Uses)
				continue
			}
			assert.Equal(t, 90, job.TimeoutMinutes, "%s: %s", path, name)
			for _, step := range job.Steps {
				commands = append(commands, step.Run)
				if step.Uses != "" {
					assert.Regexp(t, pinned, step.Uses, path)
				}
				if strings.HasPrefix(step.Uses, "actions/setup-go@") {
					assert.Equal(t, "go.mod", step.With["go-version-file"], path)
				}
			}
		}
		assert.Contains(t, strings.Join(commands, "\n"), runs, path)
	}
	info, err := os.Stat(".ci/run")
	require.NoError(t, err)
	assert.NotZero(t, info.Mode()&0o100, ".ci/run can be run")
}

func TestEverythingNamesTheSameVersionOfGo(t *testing.T) {
	version := regexp.MustCompile(`(?m)^go (\d+\.\d+)\.\d+$`)
	ours := version.FindStringSubmatch(read(t, "go.mod"))
	require.NotNil(t, ours)
	tests := version.FindStringSubmatch(read(t, "test/go.mod"))
	assert.Equal(t, ours, tests, "test/go.mod")
	assert.Contains(t, read(t, "Dockerfile"), "GOLANG_IMAGE=golang:"+ours[1]+".")
	needed := regexp.MustCompile(`Go \(?` + regexp.QuoteMeta(ours[1]) + ` or later`)
	for _, page := range []string{"README.md", "CONTRIBUTING.md"} {
		assert.True(t, needed.MatchString(read(t, page)), "%s says which Go is needed", page)
	}
}

func TestDependabotLooksAfterEverythingThatIsPinned(t *testing.T) {
	var config struct {
		Version int
		Updates []struct {
			Ecosystem   string `json:"package-ecosystem"`
			Directory   string
			Directories []string
		}
	}
	parse(t, ".github/dependabot.yml", &config)
	assert.Equal(t, 2, config.Version)
	var found []string
	for _, u := range config.Updates {
		for _, dir := range append(u.Directories, u.Directory) {
			if dir != "" {
				found = append(found, u.Ecosystem+" "+dir)
			}
		}
	}
	modules, err := exec.CommandContext(t.Context(), "git", "ls-files", "go.mod", "*/go.mod").Output()
	require.NoError(t, err)
	want := []string{"docker /", "github-actions /"}
	for path := range strings.Lines(string(modules)) {
		if dir := filepath.Dir(strings.TrimSpace(path)); !strings.Contains(dir, "testdata") {
			want = append(want, "gomod "+filepath.Join("/", dir))
		}
	}
	assert.ElementsMatch(t, want, found)
}

func TestIssueFormsAskForWhatIsNeeded(t *testing.T) {
	for path, ids := range map[string][]string{
		"bug.yml": {"version", "platform", "delivery", "logs"}, "feature.yml": {"problem", "proposal"},
	} {
		var form struct {
			Name, Description string
			Body              []struct {
				Type, ID   string
				Attributes struct{ Label, Description, Value string }
			}
		}
		parse(t, filepath.Join(".github/ISSUE_TEMPLATE", path), &form)
		assert.NotEmpty(t, form.Name, path)
		assert.NotEmpty(t, form.Description, path)
		var found []string
		for _, field := range form.Body {
			found = append(found, field.ID)
			assert.True(t, field.Type == "markdown" || field.Attributes.Label != "", "%s: %s has a label", path, field.ID)
		}
		for _, id := range ids {
			assert.Contains(t, found, id, path)
		}
	}
	var config struct {
		Blank *bool                               `json:"blank_issues_enabled"`
		Links []struct{ Name, URL, About string } `json:"contact_links"`
	}
	parse(t, ".github/ISSUE_TEMPLATE/config.yml", &config)
	require.NotNil(t, config.Blank)
	require.Len(t, config.Links, 1)
	assert.Contains(t, config.Links[0].URL, "privately-reporting")
}

func TestTheChangelogHasTheSectionsOfItsFormat(t *testing.T) {
	_, unreleased, found := strings.Cut(read(t, "CHANGELOG.md"), "\n## Unreleased\n")
	require.True(t, found)
	unreleased, _, _ = strings.Cut(unreleased, "\n## ")
	var sections []string
	for line := range strings.Lines(unreleased) {
		if title, is := strings.CutPrefix(line, "### "); is {
			sections = append(sections, strings.TrimSpace(title))
		}
	}
	known := []string{"Added", "Changed", "Deprecated", "Removed", "Fixed", "Security"}
	standard := slices.DeleteFunc(slices.Clone(sections), func(s string) bool { return s == "Before you upgrade" })
	assert.Equal(t, known, standard)
}

var link = regexp.MustCompile(`\]\(([^)#:]*)(?:#([^)]*))?\)`)

// TestLinksLeadSomewhere holds the pages that GitHub looks for.
func TestLinksLeadSomewhere(t *testing.T) {
	for _, page := range []string{"SECURITY.md", "CONTRIBUTING.md", "CHANGELOG.md", "docs/stability.md"} {
		for _, target := range link.FindAllStringSubmatch(read(t, page), -1) {
			path := page
			if target[1] != "" {
				path = filepath.Join(filepath.Dir(page), target[1])
			}
			if _, err := os.Stat(path); err != nil {
				t.Errorf("%s: there is no %s", page, target[1])
				continue
			}
			if target[2] != "" {
				assert.Contains(t, anchors(read(t, path)), target[2], "%s: %s", page, target[0])
			}
		}
	}
}

// anchors are those that GitHub gives to headings.
func anchors(text string) (all []string) {
	drop := regexp.MustCompile(`[^\p{L}\p{N} _-]`)
	for line := range strings.Lines(text) {
		if heading := strings.TrimLeft(line, "#"); heading != line {
			plain := drop.ReplaceAllString(strings.ToLower(strings.TrimSpace(heading)), "")
			all = append(all, strings.ReplaceAll(plain, " ", "-"))
		}
	}
	return all
}
