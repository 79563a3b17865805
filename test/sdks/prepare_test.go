package sdks

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"kube-aws-iam-controller/test/cluster"
)

// What kinds share.
var (
	pythonPackages = []string{"python3-venv"}
	needsPython    = []string{python, "-c", "import ensurepip, venv"}
	javaPackages   = []string{"default-jdk-headless", "maven"}
	needsJava      = []string{"sh", "-c", "java -version && javac -version && mvn -version"}
	needsNode      = []string{"sh", "-c", "node --version && npm --version"}
)

// outcome is what came of preparing a kind, or of something that kinds share.
type outcome struct {
	command []string
	version string
	// lacking is why it cannot be run here, "" if it can.
	lacking string
}

// outcomes are those there are, by name. What takes a minute, or waits for a registry in vain, is done once.
var outcomes = map[string]*outcome{}

// prepared prepares a kind once. It skips the test where that cannot be done, and fails it where it can and fails.
func (k *kind) prepared(t *testing.T) (command []string, version string) {
	t.Helper()
	if k.slow && !*full {
		t.Skip("takes minutes to build: run with -full")
	}
	o := once(t, k.name, func() (command []string, version string) {
		k.install(t)
		return k.prepare(t)
	})
	return o.command, o.version
}

// once returns the outcome of a preparation. If the preparation was skipped, so is every test that asks for it.
func once(t *testing.T, name string, prepare func() (command []string, version string)) *outcome {
	t.Helper()
	o := outcomes[name]
	if o == nil {
		o = &outcome{lacking: "it could not be prepared, as was said before"}
		outcomes[name] = o
		o.command, o.version = prepare() // which may end the test
		o.lacking = ""
	}
	if o.lacking != "" {
		notRun(t, o.lacking)
	}
	return o
}

// notRun skips the test of a kind.
func notRun(t *testing.T, why string) {
	t.Helper()
	fmt.Fprintf(os.Stderr, "sdks: NOT RUN: %s: %s\n", t.Name(), why)
	t.Skip("not run: " + why)
}

// unreachable are the words of package managers that could not talk to their registry, or that a proxy does not let.
var unreachable = regexp.MustCompile(`(?i)could not resolve|couldn't resolve|temporary failure (in name resolution|resolving)|name or service not known|` +
	`unknown host|no such host|ENOTFOUND|EAI_AGAIN|ECONNREFUSED|ECONNRESET|ETIMEDOUT|ENETUNREACH|connection refused|could not connect|failed to connect|` +
	`couldn't connect|network is unreachable|no route to host|timed out|cannot connect to proxy|unable to connect|` +
	`forbidden|proxy authentication required|got 40[37]|bad gateway|service unavailable`)

// obtain runs a command that downloads from a registry. A registry that cannot be reached skips the test.
func obtain(t *testing.T, cmd *exec.Cmd) {
	t.Helper()
	out, err := cmd.CombinedOutput()
	if err == nil {
		return
	}
	if words := unreachable.Find(out); words != nil {
		notRun(t, fmt.Sprintf("%s cannot reach its registry from here (%s)", filepath.Base(cmd.Path), words))
	}
	require.NoError(t, err, string(out))
}

// install gets the packages of Debian that a kind needs, where that can be done.
func (k *kind) install(t *testing.T) {
	t.Helper()
	if k.missing() == "" {
		return
	}
	_, err := exec.LookPath("apt-get")
	if err != nil || os.Geteuid() != 0 || len(k.debian) == 0 {
		notRun(t, k.missing()+" does not work here")
	}
	apt := func(args ...string) {
		cmd := exec.Command("apt-get", args...)
		cmd.Env = append(os.Environ(), "DEBIAN_FRONTEND=noninteractive")
		obtain(t, cmd)
	}
	fmt.Fprintf(os.Stderr, "sdks: installing %s with apt-get, for half a minute\n", strings.Join(k.debian, " "))
	once(t, "apt-get update", func() ([]string, string) { apt("update", "-qq"); return nil, "" })
	apt(append([]string{"install", "-qq", "-y", "--no-install-recommends"}, k.debian...)...)
	require.Empty(t, k.missing(), "after the installation of %q", k.debian)
}

// missing returns the command that a kind needs and that fails here, "" for none.
func (k *kind) missing() string {
	if len(k.needs) == 0 || exec.Command(k.needs[0], k.needs[1:]...).Run() == nil {
		return ""
	}
	return strings.Join(k.needs, " ")
}

// compile builds a program of this module.
func compile(t *testing.T, name string) []string {
	t.Helper()
	binary := filepath.Join(tempDir(t), name)
	output(t, "go", "build", "-o", binary, "./"+name)
	return []string{binary}
}

// moduleVersion returns what this test is built with, as its programs are.
func moduleVersion(t *testing.T, path string) string {
	t.Helper()
	return trimmed(output(t, "go", "list", "-m", "-f", "{{.Version}}", path))
}

// fromPyPI returns a program of a virtual environment with requirements.txt.
func fromPyPI(t *testing.T, program string) string {
	t.Helper()
	environment := once(t, "PyPI", func() ([]string, string) {
		dir := tempDir(t)
		output(t, python, "-m", "venv", dir)
		obtain(t, exec.Command(filepath.Join(dir, "bin", "pip"), "install", "--quiet", "--no-deps", "-r", source(t, "python", "requirements.txt")))
		return []string{filepath.Join(dir, "bin")}, ""
	})
	return filepath.Join(environment.command[0], program)
}

// requirement returns the version of a Python package.
func requirement(t *testing.T, name string) string {
	t.Helper()
	return match(t, `(?m)^`+name+`==(\S+)`, text(t, "python", "requirements.txt"))
}

// fromNPM installs the packages of a directory of this one, and returns its program and the version of one of them.
func fromNPM(t *testing.T, name, of string) (command []string, version string) {
	t.Helper()
	dir := copied(t, name, "package.json", "call.js")
	install := exec.Command("npm", "install", "--no-audit", "--no-fund", "--no-package-lock")
	install.Dir = dir
	obtain(t, install)
	return []string{find(t, "node"), filepath.Join(dir, "call.js")}, match(t, `"`+of+`": "(\S+)"`, text(t, name, "package.json"))
}

// fromMaven compiles the program in a directory of this one against the libraries of its pom.xml.
func fromMaven(t *testing.T, name string) (command []string, version string) {
	t.Helper()
	dir := copied(t, name, "pom.xml", "Call.java")
	libraries := filepath.Join(dir, "lib", "*")
	dependencies := exec.Command("mvn", "--batch-mode", "--quiet", "-DincludeScope=runtime", "-DoutputDirectory="+filepath.Dir(libraries),
		"org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy-dependencies")
	dependencies.Dir = dir
	obtain(t, dependencies)
	output(t, "javac", "-d", dir, "-cp", libraries, filepath.Join(dir, "Call.java"))
	return []string{find(t, "java"), "-cp", dir + ":" + libraries, "Call"}, match(t, `<version>(\d+\.\S+)</version>`, text(t, name, "pom.xml"))
}

// fromCrates builds the program in Rust. What it is built of stays in test/.bin, with everything else that takes minutes.
func fromCrates(t *testing.T) (command []string, version string) {
	t.Helper()
	target := source(t, "..", ".bin", "rust")
	fmt.Fprintln(os.Stderr, "sdks: building the AWS SDK for Rust, for two minutes the first time")
	build := exec.Command("cargo", "build", "--quiet", "--target-dir", target)
	build.Dir = copied(t, "rust", "Cargo.toml", filepath.Join("src", "main.rs"))
	obtain(t, build)
	return []string{filepath.Join(target, "debug", "call")}, match(t, `aws-sdk-sts = \{ version = "=(\S+)"`, text(t, "rust", "Cargo.toml"))
}

// source returns the path of a file of this package.
func source(t *testing.T, parts ...string) string {
	t.Helper()
	root, err := cluster.Root()
	require.NoError(t, err)
	return filepath.Join(append([]string{root, "test", "sdks"}, parts...)...)
}

// text returns what is in a file of this package.
func text(t *testing.T, parts ...string) string {
	t.Helper()
	content, err := os.ReadFile(source(t, parts...))
	require.NoError(t, err)
	return string(content)
}

// copied returns a directory with files of one of this package, to build in.
func copied(t *testing.T, name string, files ...string) string {
	t.Helper()
	dir := tempDir(t)
	for _, file := range files {
		path := filepath.Join(dir, file)
		require.NoError(t, errors.Join(
			os.MkdirAll(filepath.Dir(path), 0o700),
			os.WriteFile(path, []byte(text(t, name, file)), 0o600)))
	}
	return dir
}

// tempDir is one that outlives the subtest that prepares a program.
func tempDir(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp(programs, "") //nolint:usetesting // t's own goes with t
	require.NoError(t, err)
	return dir
}

func find(t *testing.T, program string) string {
	t.Helper()
	path, err := exec.LookPath(program)
	require.NoError(t, err)
	return path
}

func output(t *testing.T, program string, args ...string) string {
	t.Helper()
	out, err := exec.Command(program, args...).CombinedOutput()
	require.NoError(t, err, string(out))
	return string(out)
}

// match returns what a pattern captures.
func match(t *testing.T, pattern, in string) string {
	t.Helper()
	found := regexp.MustCompile(pattern).FindStringSubmatch(in)
	require.Len(t, found, 2, "%s in %s", pattern, in)
	return found[1]
}

func trimmed(s string) string { return strings.TrimSpace(s) }
