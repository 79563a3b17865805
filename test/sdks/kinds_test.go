package sdks

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"kube-aws-iam-controller/test/cluster"
)

// A kind is one SDK, and how to run a program that uses it.
type kind struct {
	name string
	// debian is the package that has what it needs, "" for none.
	debian string
	// needs is a command that succeeds where the kind can be run, nil for one
	// that always can.
	needs []string
	// prepare returns what to run, and the SDK's version.
	prepare func(t *testing.T) (command []string, version string)
	// perCall is run anew for each call.
	perCall bool
}

// Debian's own, whatever else is called so in PATH: what is asked for is what
// is run.
const (
	cli    = "/usr/bin/aws"
	python = "/usr/bin/python3"
)

var kinds = []kind{
	{name: "AWS CLI", debian: "awscli", needs: []string{cli, "--version"}, perCall: true, prepare: func(t *testing.T) ([]string, string) {
		t.Helper()
		version := regexp.MustCompile(`aws-cli/(\S+)`).FindStringSubmatch(output(t, cli, "--version"))
		return []string{cli, "sts", "get-caller-identity", "--output=text", "--query=Arn", "--endpoint-url"}, version[1]
	}},
	{name: "boto3 (Python)", debian: "python3-boto3", needs: []string{python, "-c", "import boto3"}, prepare: func(t *testing.T) ([]string, string) {
		t.Helper()
		return []string{python, source(t, "python", "call.py")}, strings.TrimSpace(output(t, python, "-c", "import boto3; print(boto3.__version__)"))
	}},
	{name: "AWS SDK for JavaScript v3", needs: []string{"npm", "--version"}, prepare: func(t *testing.T) ([]string, string) {
		t.Helper()
		dir := tempDir(t)
		for _, name := range []string{"package.json", "call.js"} {
			text, err := os.ReadFile(source(t, "js", name))
			require.NoError(t, err)
			require.NoError(t, os.WriteFile(filepath.Join(dir, name), text, 0o600))
		}
		install := exec.Command("npm", "install", "--no-audit", "--no-fund", "--no-package-lock")
		install.Dir = dir
		out, err := install.CombinedOutput()
		require.NoError(t, err, string(out))
		text, err := os.ReadFile(filepath.Join(dir, "package.json"))
		require.NoError(t, err)
		version := regexp.MustCompile(`"@aws-sdk/client-sts": "(\S+)"`).FindStringSubmatch(string(text))
		return []string{find(t, "node"), filepath.Join(dir, "call.js")}, version[1]
	}},
	{name: "AWS SDK for Go v1", prepare: func(t *testing.T) ([]string, string) {
		t.Helper()
		return compile(t, "gov1"), moduleVersion(t, "github.com/aws/aws-sdk-go")
	}},
	{name: "AWS SDK for Go v2", prepare: func(t *testing.T) ([]string, string) {
		t.Helper()
		return compile(t, "gov2"), moduleVersion(t, "github.com/aws/aws-sdk-go-v2/config")
	}},
}

// ready is what has been prepared, by the name of the kind.
var ready = map[string]func() ([]string, string){}

// prepared prepares a kind once, and skips the test where that cannot be done.
func (k *kind) prepared(t *testing.T) (command []string, version string) {
	t.Helper()
	if missing := k.missing(); missing != "" {
		t.Skipf("%s is not installed", missing)
	}
	if ready[k.name] == nil {
		command, version = k.prepare(t)
		ready[k.name] = func() ([]string, string) { return command, version }
	}
	return ready[k.name]()
}

// source returns the path of a file of this package.
func source(t *testing.T, parts ...string) string {
	t.Helper()
	root, err := cluster.Root()
	require.NoError(t, err)
	return filepath.Join(append([]string{root, "test", "sdks"}, parts...)...)
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

func compile(t *testing.T, name string) []string {
	t.Helper()
	binary := filepath.Join(tempDir(t), name)
	output(t, "go", "build", "-o", binary, "./"+name)
	return []string{binary}
}

// moduleVersion returns what this test is built with, as its programs are.
func moduleVersion(t *testing.T, path string) string {
	t.Helper()
	return strings.TrimSpace(output(t, "go", "list", "-m", "-f", "{{.Version}}", path))
}

// A program is one that runs, or is run, in the environment of a container.
type program struct {
	kind    kind
	command []string
	env     []string

	cmd    *exec.Cmd
	stdin  io.WriteCloser
	stdout *bufio.Reader
}

// call has it call STS and returns its answer.
func (p *program) call(ctx context.Context, endpoint string) string {
	if p.kind.perCall {
		cmd := exec.CommandContext(ctx, p.command[0], append(p.command[1:], endpoint)...)
		cmd.Env = p.env
		out, err := cmd.CombinedOutput()
		if err != nil {
			return fmt.Sprintf("error %q", out)
		}
		return "ok " + strings.TrimSpace(string(out))
	}
	if _, err := io.WriteString(p.stdin, "\n"); err != nil {
		return "error " + err.Error()
	}
	line, err := p.stdout.ReadString('\n')
	if err != nil {
		return "error " + err.Error()
	}
	return strings.TrimSpace(line)
}

// start starts a program that runs on until end.
func (p *program) start(endpoint string) error {
	if p.kind.perCall {
		return nil
	}
	p.cmd = exec.Command(p.command[0], p.command[1:]...)
	p.cmd.Env = append(slices.Clone(p.env), "ENDPOINT="+endpoint)
	p.cmd.Stderr = os.Stderr
	stdin, err1 := p.cmd.StdinPipe()
	stdout, err2 := p.cmd.StdoutPipe()
	if err := errors.Join(err1, err2); err != nil {
		return err
	}
	p.stdin, p.stdout = stdin, bufio.NewReader(stdout)
	return p.cmd.Start()
}

// end has it end by itself.
func (p *program) end() {
	if p.cmd != nil {
		_ = p.stdin.Close()
		_ = p.cmd.Wait()
	}
}

// tempDir is one that outlives the subtest that prepares a program.
func tempDir(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp(programs, "") //nolint:usetesting // t's own goes with t
	require.NoError(t, err)
	return dir
}
