package docs

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
)

const referencePage = "docs/reference.md"

// firstColumn returns what is set as code in the first column of a section's tables.
func firstColumn(t *testing.T, heading string, name *regexp.Regexp) (names []string) {
	t.Helper()
	for line := range strings.Lines(section(t, read(t, referencePage), heading)) {
		cells := strings.Split(line, " | ")
		if !strings.HasPrefix(line, "| `") || len(cells) < 2 {
			continue
		}
		for _, match := range name.FindAllStringSubmatch(cells[0], -1) {
			names = append(names, match[1])
		}
	}
	slices.Sort(names)
	return names
}

// source is the text of the program, without tests and what only tests use.
func source(t *testing.T) string {
	t.Helper()
	var all strings.Builder
	for _, name := range files(t, ".go") {
		inTests := strings.HasSuffix(name, "_test.go") || strings.HasPrefix(name, "test/")
		if !inTests && !strings.HasPrefix(name, "internal/awssim/") {
			all.WriteString(read(t, name))
		}
	}
	return all.String()
}

// distinct returns the first group of each match, sorted, each once.
func distinct(text string, patterns ...string) (found []string) {
	for _, pattern := range patterns {
		for _, match := range regexp.MustCompile(pattern).FindAllStringSubmatch(text, -1) {
			found = append(found, match[1])
		}
	}
	slices.Sort(found)
	return slices.Compact(found)
}

func TestEveryMetricIsDocumented(t *testing.T) {
	registered := distinct(source(t), `Namespace: +namespace, +Name: +"([a-z_]+)"`, `newCounter\("([a-z_]+)"`, `namespace ?\+ ?"_([a-z_]+)"`)
	require.GreaterOrEqual(t, len(registered), 11)
	assert.Equal(t, registered, firstColumn(t, "## Metrics", regexp.MustCompile("`kube_aws_iam_controller_([a-z_]+)[`{]")))
	suffix := regexp.MustCompile(`_(bucket|sum|count)$`)
	for _, p := range pages(t) {
		for _, name := range distinct(p.text, `kube_aws_iam_controller_([a-z_]+)`) {
			assert.Contains(t, registered, suffix.ReplaceAllString(name, ""), "%s names a metric that there is not", p.name)
		}
	}
}

func TestEveryEventIsDocumented(t *testing.T) {
	reasons := constantsBeside(t, "CreateCredentials")
	require.GreaterOrEqual(t, len(reasons), 20)
	code := regexp.MustCompile("`([A-Za-z]+)`")
	// This one is a reason of the condition alone.
	documented := append(firstColumn(t, "## Events", code), "CredentialsIssued")
	assert.ElementsMatch(t, reasons, documented)
	assert.Contains(t, section(t, read(t, referencePage), "## AWSIAMRole"), "`CredentialsIssued`")
}

// keyPatterns find keys of annotations, labels and finalizers in source.
var keyPatterns = []string{`[pP]refix ?\+ ?"([a-z][a-z-]*)"`, `\biam\.amazonaws\.com/([a-z][a-z-]*)`, `\biam\.amazonaws\.com~1([a-z][a-z-]*)`}

func TestEveryKeyOfAnnotationsAndLabelsIsDocumented(t *testing.T) {
	text := source(t)
	for _, name := range files(t, ".yaml") {
		if strings.HasPrefix(name, "manifests/") {
			text += read(t, name)
		}
	}
	used := distinct(text, keyPatterns...)
	require.GreaterOrEqual(t, len(used), 20)
	var documented []string
	for _, heading := range []string{"## ServiceAccount annotations", "## Namespace annotations", "## Pod annotations and labels", "## Other keys"} {
		documented = append(documented, firstColumn(t, heading, regexp.MustCompile("`iam\\.amazonaws\\.com/([a-z-]+)`"))...)
	}
	slices.Sort(documented)
	assert.Equal(t, used, slices.Compact(documented))
}

// program builds one of ours, and returns its path.
func program(t *testing.T, pkg string) string {
	t.Helper()
	binary := filepath.Join(t.TempDir(), "program")
	build := exec.Command("go", "build", "-o", binary, pkg)
	build.Dir, build.Env = root(t), append(os.Environ(), "CGO_ENABLED=0")
	out, err := build.CombinedOutput()
	require.NoError(t, err, string(out))
	return binary
}

var flagLine = regexp.MustCompile(`(?m)^ {2,6}(?:-[a-z], )?--(?:\[no-\])?([a-z0-9-]+)(?:=(\S+))?`)

func TestEveryFlagIsDocumented(t *testing.T) {
	binary := program(t, ".")
	out, err := exec.Command(binary, "--help").CombinedOutput()
	require.NoError(t, err, string(out))
	help, flags := string(out), map[string]string{}
	for _, match := range flagLine.FindAllStringSubmatch(help, -1) {
		flags[match[1]] = match[2]
	}
	require.GreaterOrEqual(t, len(flags), 40)
	page := section(t, read(t, referencePage), "## Flags")
	documented := firstColumn(t, "## Flags", regexp.MustCompile("`--([a-z0-9-]+)`"))
	for name, value := range flags {
		if name == "help" || name == "version" {
			continue
		}
		assert.Contains(t, documented, name, "--%s is not documented", name)
		if value != "" && value != strings.ToUpper(name) { // which stands for a value
			assert.Regexp(t, "`--"+name+"` \\| `?"+regexp.QuoteMeta(value)+"`? \\|", page, "the default of --%s", name)
		}
	}
	for _, name := range documented {
		if _, shown := flags[name]; !shown { // one of the predecessor's
			out, err = exec.Command(binary, "version", "--"+name+"=1s").CombinedOutput()
			if err != nil {
				out, err = exec.Command(binary, "version", "--"+name+"=1").CombinedOutput()
			}
			require.NoError(t, err, "--%s is documented: %s", name, out)
		}
	}
	assertVariables(t, help)
}

// assertVariables looks for settings of ours in what users read and copy.
func assertVariables(t *testing.T, help string) {
	t.Helper()
	for _, name := range files(t, ".md", ".yaml") {
		for _, variable := range distinct(read(t, name), `\b(KUBE_AWS_IAM_[A-Z0-9_]*[A-Z0-9])\b`) {
			assert.Contains(t, help, "$"+variable+")", "%s names %s", name, variable)
		}
	}
}

func TestEveryFlagOfTheSidecarIsDocumented(t *testing.T) {
	out, _ := exec.Command(program(t, "./cmd/credentials-server"), "-h").CombinedOutput()
	flags := distinct(string(out), `(?m)^  (-[a-z-]+)`)
	require.NotEmpty(t, flags)
	assert.Equal(t, flags, firstColumn(t, "## credentials-server", regexp.MustCompile("`(-[a-z-]+)`")))
	for _, variable := range distinct(string(out), `\(([A-Z_]+)\)`) {
		assert.Contains(t, read(t, referencePage), "`"+variable+"`")
	}
}

func TestTestsThatTheDocumentsNameExist(t *testing.T) {
	var tests strings.Builder
	for _, name := range files(t, ".go") {
		if strings.HasSuffix(name, "_test.go") {
			tests.WriteString(read(t, name))
		}
	}
	count := 0
	for _, p := range pages(t) {
		for _, name := range distinct(p.text, "`((?:Test|Fuzz)[A-Z][A-Za-z0-9]+)\\b") {
			count++
			assert.Contains(t, tests.String(), "func "+name+"(", "%s names %s", p.name, name)
		}
	}
	require.GreaterOrEqual(t, count, 20)
}

func TestEveryKeyOfASecretIsDocumented(t *testing.T) {
	assert.ElementsMatch(t, constantsBeside(t, "credentials.json"), firstColumn(t, "## Secret keys", regexp.MustCompile("`([a-z.-]+)`")))
}

func TestEveryTagOfARoleIsDocumented(t *testing.T) {
	assert.ElementsMatch(t, constantsBeside(t, "managed-by"), firstColumn(t, "## Role tags", regexp.MustCompile("`([a-z-]+)`")))
}

var (
	allowed           = regexp.MustCompile(`(?m)^\t"internal/([a-z]+)": +\{(.*)\},$`)
	documentedPackage = regexp.MustCompile("(?m)^\\| `internal/([a-z]+)` \\| [^|]+ \\| ?(.*)\\|$")
)

func TestPackagesAndTheirImportsAreDocumented(t *testing.T) {
	want, documented := map[string][]string{}, map[string][]string{}
	for _, match := range allowed.FindAllStringSubmatch(read(t, "imports_test.go"), -1) {
		want[match[1]] = distinct(match[2], `"internal/([a-z]+)"`)
	}
	for _, match := range documentedPackage.FindAllStringSubmatch(read(t, "docs/architecture.md"), -1) {
		documented[match[1]] = distinct(match[2], "`([a-z]+)`")
	}
	require.GreaterOrEqual(t, len(want), 20)
	for _, all := range []string{"app", "cli"} {
		assert.Contains(t, documented, all, "it wires all others")
		delete(documented, all)
	}
	assert.Equal(t, want, documented)
}
