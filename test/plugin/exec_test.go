package plugin

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"kube-aws-iam-controller/test/cluster"
	"kube-aws-iam-controller/test/kit"
)

// TestAProgramRunsWithTheCredentialsOfAServiceAccount runs programs on this machine, with the real SDK against the
// credentials that a running controller has issued.
func TestAProgramRunsWithTheCredentialsOfAServiceAccount(t *testing.T) {
	w := newExplainWorld(t)
	w.control(t)
	w.team = w.NewNamespace(t)
	for _, name := range []string{"app", "other"} {
		_, err := w.aws.Role(kit.AccountID, "", name, w.team+"/test")
		require.NoError(t, err)
	}
	objects := kit.In(w.Access, w.team)
	_, err := objects.Account(t.Context(), "app", map[string]string{"role": "app", "region": "me-south-1"})
	require.NoError(t, err)
	require.NoError(t, objects.ApplyYAML(t.Context(), "awsiamrole/other",
		"apiVersion: zalando.org/v1\nkind: AWSIAMRole\nmetadata: {name: other, namespace: "+w.team+"}\nspec: {roleReference: other}\n"))
	w.secret(t, "app")
	require.NoError(t, kit.Eventually(t.Context(), within, func(ctx context.Context) error {
		_, err := w.Client().CoreV1().Secrets(w.team).Get(ctx, "other", metav1.GetOptions{})
		return err
	}))

	t.Run("an SDK", w.testExecSDK)
	t.Run("a role that changes meanwhile", w.testExecRotation)
	t.Run("nothing is left or shown", w.testExecSecrecy)
	t.Run("signals", w.testExecSignals)
	t.Run("refusals", w.testExecRefusals)
}

// whoami builds a program with an AWS SDK that prints who it is for each line that it reads.
func whoami(t *testing.T) string {
	t.Helper()
	binary := filepath.Join(t.TempDir(), "whoami")
	root, err := cluster.Root()
	require.NoError(t, err)
	build := exec.Command("go", "build", "-o", binary, "./sdks/gov2")
	build.Dir = filepath.Join(root, "test")
	out, err := build.CombinedOutput()
	require.NoError(t, err, string(out))
	return binary
}

// execute returns the plugin's command exec, not started yet, in the environment of a user who has other credentials in
// every place that SDKs look at.
func (w *explainWorld) execute(t *testing.T, args ...string) *exec.Cmd {
	t.Helper()
	cmd, err := kit.PluginCommand(t.Context(), w.AdminKubeconfig(), append([]string{"exec", "--namespace=" + w.team}, args...)...)
	require.NoError(t, err)
	home := t.TempDir()
	require.NoError(t, os.Mkdir(filepath.Join(home, ".aws"), 0o700))
	for _, file := range []string{"config", "credentials"} {
		require.NoError(t, os.WriteFile(filepath.Join(home, ".aws", file), []byte("[default]\naws_access_key_id = AKIAOWN\naws_secret_access_key = own\n"), 0o600))
	}
	cmd.Env = append(append(cmd.Env, w.userEnv(t)...), "HOME="+home, "AWS_PROFILE=default", "AWS_REGION=ca-west-1", "ENDPOINT="+w.aws.URL())
	return cmd
}

// finished runs a command to its end.
func finished(t *testing.T, cmd *exec.Cmd) kit.Printed {
	t.Helper()
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	err := cmd.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		require.NoError(t, err)
	}
	return kit.Printed{Stdout: stdout.String(), Stderr: stderr.String(), Code: cmd.ProcessState.ExitCode()}
}

func (w *explainWorld) testExecSDK(t *testing.T) {
	program := whoami(t)
	for object, role := range map[string]string{"sa/app": "app", "awsiamrole/other": "other"} {
		cmd := w.execute(t, object, "--", program)
		cmd.Stdin = strings.NewReader("\n")
		got := finished(t, cmd)
		assert.Zero(t, got.Code, got.Stderr)
		assert.Contains(t, got.Stdout, "ok arn:aws:sts::"+kit.AccountID+":assumed-role/"+role+"/")
	}
	got := finished(t, w.execute(t, "sa/app", "--", "sh", "-c", "echo $AWS_REGION $AWS_DEFAULT_REGION"))
	assert.Equal(t, "me-south-1 me-south-1\n", got.Stdout)
	got = finished(t, w.execute(t, "awsiamrole/other", "--", "sh", "-c", "echo $AWS_REGION $AWS_DEFAULT_REGION"))
	assert.Equal(t, "ca-west-1 ca-west-1\n", got.Stdout)
}

// testExecRotation has a program of two commands, between which the ServiceAccount gets another role.
func (w *explainWorld) testExecRotation(t *testing.T) {
	cmd := w.execute(t, "sa/app", "--", "sh", "-c", `echo | "$0"; read next; echo | "$0"`, whoami(t))
	stdin, err := cmd.StdinPipe()
	require.NoError(t, err)
	stdout, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	lines := bufio.NewReader(stdout)
	is := func(role string) {
		t.Helper()
		line, failed := lines.ReadString('\n')
		require.NoError(t, failed)
		require.Contains(t, line, "ok arn:aws:sts::"+kit.AccountID+":assumed-role/"+role+"/")
	}
	is("app")
	_, err = w.Kubectl(t.Context(), "annotate", "serviceaccount", "app", "iam.amazonaws.com/role=other", "--overwrite", "--namespace="+w.team)
	require.NoError(t, err)
	require.NoError(t, kit.Eventually(t.Context(), within, func(ctx context.Context) error {
		secret, failed := w.Client().CoreV1().Secrets(w.team).Get(ctx, "app.aws-iam", metav1.GetOptions{})
		if failed == nil && !strings.HasSuffix(secret.Annotations["iam.amazonaws.com/role-arn"], "/other") {
			failed = errors.New("the Secret is still that of the role app")
		}
		return failed
	}))
	_, err = io.WriteString(stdin, "next\n")
	require.NoError(t, err)
	is("other")
	require.NoError(t, cmd.Wait())
}

// testExecSecrecy looks for credentials in what the program is given, and in what is left of a run.
func (w *explainWorld) testExecSecrecy(t *testing.T) {
	cmd := w.execute(t, "sa/app", "--", "sh", "-c", `env; for p in $$ $PPID; do tr '\0' '\n' < /proc/$p/cmdline; tr '\0' '\n' < /proc/$p/environ; done; find "$HOME" "$TMPDIR" -type f -exec cat {} +`)
	temporary := t.TempDir()
	cmd.Env = append(cmd.Env, "TMPDIR="+temporary)
	got := finished(t, cmd)
	assert.Zero(t, got.Code, got.Stderr)
	assert.Contains(t, got.Stdout, "AWS_CONTAINER_AUTHORIZATION_TOKEN=")
	for _, secret := range w.aws.IssuedSecrets() {
		if slices.ContainsFunc(cmd.Env, func(pair string) bool { return strings.HasSuffix(pair, "="+secret) }) {
			continue // the plugin's own environment has it
		}
		assert.NotContains(t, got.Stdout+got.Stderr, secret)
	}
}

// patient is a program that says when it is ready, and what signals it gets until it is told to end by one.
const patient = `trap 'echo interrupted' INT; trap 'echo reloaded' HUP; trap 'echo terminated; exit 9' TERM; echo ready; while :; do sleep 0.05; done`

// listens has programs that are started listen to signals that this process may have been started without, as under nohup
// or in the background of a script: what is ignored is inherited. It returns what ends that.
func listens() (end func()) {
	heard := make(chan os.Signal, 1)
	signal.Notify(heard, syscall.SIGHUP, syscall.SIGINT, syscall.SIGQUIT)
	return func() { signal.Stop(heard) }
}

func (w *explainWorld) testExecSignals(t *testing.T) {
	cmd := w.execute(t, "sa/app", "--", "sh", "-c", patient)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true} // no terminal, so nobody else sends the program anything
	stdout, err := cmd.StdoutPipe()
	require.NoError(t, err)
	defer listens()()
	require.NoError(t, cmd.Start())
	defer time.AfterFunc(within, func() { _ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }).Stop()
	lines := bufio.NewReader(stdout)
	says := func(want string) {
		t.Helper()
		line, failed := lines.ReadString('\n')
		require.NoError(t, failed)
		require.Equal(t, want+"\n", line)
	}
	says("ready")
	for _, one := range []struct {
		signal syscall.Signal
		says   string
	}{{syscall.SIGHUP, "reloaded"}, {syscall.SIGINT, "interrupted"}, {syscall.SIGINT, "interrupted"}, {syscall.SIGTERM, "terminated"}} {
		require.NoError(t, cmd.Process.Signal(one.signal))
		says(one.says)
	}
	_ = cmd.Wait()
	assert.Equal(t, 9, cmd.ProcessState.ExitCode())

	t.Run("of a terminal", func(t *testing.T) {
		out, code := w.onTerminal(t, w.execute(t, "sa/app", "--", "sh", "-c", patient), "ready", "\x03", "interrupted")
		assert.Equal(t, 1, strings.Count(out, "interrupted"), "the terminal and the plugin must not both send it: %q", out)
		assert.Equal(t, 9, code)
	})
}

func (w *explainWorld) testExecRefusals(t *testing.T) {
	w.foreignSecret(t, "foreign.aws-iam")
	explain := " --namespace " + w.team + " says why"
	for name, tt := range map[string]struct {
		args []string
		code int
		says string
	}{
		"no such ServiceAccount": {[]string{"sa/nobody", "--", "true"}, 125, "there is no Secret nobody.aws-iam in " + w.team + ", so serviceaccount/nobody has no credentials: kubectl aws-iam explain serviceaccount/nobody" + explain},
		"a Secret of another":    {[]string{"sa/foreign", "--", "true"}, 125, "is not the controller's"},
		"no right":               {[]string{"--as=nobody", "sa/app", "--", "true"}, 125, "you may not read the Secret app.aws-iam in " + w.team},
		"no program":             {[]string{"sa/app", "--", "no-such-program"}, 127, "there is no such program"},
	} {
		t.Run(name, func(t *testing.T) {
			got := finished(t, w.execute(t, tt.args...))
			assert.Equal(t, tt.code, got.Code)
			assert.Contains(t, got.Stderr, "error: ")
			assert.Contains(t, got.Stderr, tt.says)
			assert.Empty(t, got.Stdout)
		})
	}
	t.Run("with the right to get that Secret alone", func(t *testing.T) {
		for _, args := range [][]string{
			{"create", "role", "debug", "--verb=get", "--resource=secrets", "--resource-name=app.aws-iam"},
			{"create", "rolebinding", "debug", "--role=debug", "--user=debugger"},
		} {
			_, err := w.Kubectl(t.Context(), append(args, "--namespace="+w.team)...)
			require.NoError(t, err)
		}
		require.NoError(t, kit.Eventually(t.Context(), within, func(context.Context) error {
			if got := finished(t, w.execute(t, "--as=debugger", "sa/app", "--", "sh", "-c", "echo $AWS_REGION")); got.Code != 0 || got.Stdout != "ca-west-1\n" {
				return errors.New(got.Stderr + got.Stdout)
			}
			return nil
		}))
	})
}
