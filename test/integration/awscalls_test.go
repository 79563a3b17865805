package integration

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"kube-aws-iam-controller/internal/awssim"

	"kube-aws-iam-controller/test/cluster"
	"kube-aws-iam-controller/test/kit"
)

var update = flag.Bool("update", false, "write docs/aws-calls.md as it was counted")

const callsHead = `# AWS calls

The calls that each operation makes to IAM and STS, counted by ` + "`TestCallsOfAWSAreAsDocumented`" + ` with a simulated AWS that answers at once and
is immediately consistent; ` + "`make docs`" + ` writes this page. Retries after throttling, and reads of a role that IAM does not show yet, are
additional. Calls to Kubernetes are not counted.

| operation | calls | in order |
| --- | --- | --- |
`

// tally is the page while it is written.
type tally struct {
	*crashPoints

	page strings.Builder
}

// count runs an operation until done returns nil and AWS is left alone, and notes what AWS was asked.
func (y *tally) count(what string, do func(), done func(context.Context) error) {
	y.t.Helper()
	before := len(y.aws.Calls())
	do()
	y.eventually(done)
	seen := -1
	y.eventually(func(context.Context) error {
		was := seen
		time.Sleep(time.Second)
		if seen = len(y.aws.Calls()); seen != was {
			return errors.New("AWS is still being asked")
		}
		return nil
	})
	var who, actions []string
	for _, call := range y.aws.Calls()[before:] {
		switch {
		case !strings.HasSuffix(call.Caller, "/i-0123456789abcdef0"): // this test, not the controller
		case call.Action == "GetCallerIdentity", call.Params["RoleName"] == y.aws.ControllerRole:
			who = append(who, call.Action)
		default:
			actions = append(actions, call.Action)
		}
	}
	if y.page.Len() == 0 {
		y.row("once per process: the controller's own role", who)
	}
	y.row(what, actions)
}

func (y *tally) row(what string, actions []string) {
	list := strings.Join(actions, ", ")
	if list == "" {
		list = "none"
	}
	fmt.Fprintf(&y.page, "| %s | %d | %s |\n", what, len(actions), list)
}

func TestCallsOfAWSAreAsDocumented(t *testing.T) {
	kit.FullOnly(t, "a thousand roles, counted while nothing else runs")
	w := newCrashPointsAlone(t)
	managed, err := w.aws.AddManagedPolicy(kit.AccountID, "/", "managed", readBucket)
	require.NoError(t, err)
	y := &tally{crashPoints: w}
	c := w.provisioning(flags...)
	uses := outcome{Account: true, Uses: "existing"}
	made := operation{before: own}.served()
	y.count("the first new managed role of a process, with a list of existing roles per 1,000 roles", func() { w.accountWith("zeroth", own) }, y.becomes("zeroth", made))
	w.remove("zeroth")
	w.settled("zeroth", outcome{})
	y.count("a new managed role with a `role-policy`", func() { w.accountWith("first", own) }, y.becomes("first", made))
	y.count("an existing role, or an AWSIAMRole", func() { w.accountWith("other", map[string]string{roleKey: "existing"}) }, y.becomes("other", uses))
	w.accountWith("app", own)
	w.settled("app", made)
	changed := made
	changed.Role.Policy = sendQueue
	y.count("a changed `role-policy`", func() { w.set("app", map[string]any{policyKey: sendQueue}) }, y.becomes("app", changed))
	y.count("the same `role-policy`, written differently", func() {
		w.set("app", map[string]any{policyKey: strings.Replace(sendQueue, `"Action":"sqs:SendMessage"`, `"Action":["sqs:SendMessage"]`, 1)})
	}, y.renewed("app"))
	changed.Role.Managed = []string{managed}
	y.count("an additional managed policy", func() { w.set("app", map[string]any{managedKey: managed}) }, y.becomes("app", changed))
	y.count("ServiceAccount deleted, its role having a managed and an inline policy", func() { w.remove("app") }, y.becomes("app", outcome{}))
	w.accountWith("app", map[string]string{policyKey: readBucket, deletionKey: "Retain"})
	w.settled("app", made)
	retained := outcome{Role: made.Role}
	retained.Role.Retained = true
	y.count("ServiceAccount deleted with `deletion-policy: Retain`", func() { w.remove("app") }, y.becomes("app", retained))
	c.Kill()
	y.countLooks(managed)
	y.countRestart()
	y.assertDocumented()
}

// becomes waits for an outcome.
func (y *tally) becomes(name string, want outcome) func(context.Context) error {
	return func(ctx context.Context) error { return y.differs(ctx, name, want) }
}

// renewed waits for other credentials.
func (y *tally) renewed(name string) func(context.Context) error {
	before := y.secret(name+".aws-iam", nil)
	return func(ctx context.Context) error {
		next, err := y.Client().CoreV1().Secrets(y.namespace).Get(ctx, name+".aws-iam", metav1.GetOptions{})
		if err == nil && string(next.Data["credentials.json"]) == string(before.Data["credentials.json"]) {
			err = errors.New("not renewed yet")
		}
		return err
	}
}

// asked waits for a call.
func (y *tally) asked(action string) func(context.Context) error {
	before := y.aws.Counts()[action]
	return func(context.Context) error {
		if y.aws.Counts()[action] == before {
			return errors.New("not called yet: " + action)
		}
		return nil
	}
}

// countLooks counts what a controller does by itself: renewals, looks at roles, and sweeps.
func (y *tally) countLooks(managed string) {
	y.t.Helper()
	w := y.crashPoints
	during := func(what string, args []string, before func(), done func(context.Context) error) {
		y.t.Helper()
		before()
		var c *kit.Controller
		y.count(what, func() { c = w.provisioning(args...) }, done)
		c.Kill()
	}
	nothing := func() {}
	drift := []string{"--drift-interval=9s", "--orphan-sweep-interval=0"}
	during("a drift check", drift, nothing, y.asked("GetRolePolicy"))
	during("drift, here an attached policy: two checks and the correction", drift, func() {
		_, err := w.iam.AttachRolePolicy(y.t.Context(), &iam.AttachRolePolicyInput{RoleName: new(w.roleOf("first")), PolicyArn: &managed})
		require.NoError(y.t, err)
	}, y.asked("DetachRolePolicy"))
	sweep := []string{"--drift-interval=0", "--orphan-sweep-interval=9s"}
	during("an orphan sweep, per 1,000 roles, none of them orphaned or retained", sweep, func() {
		w.aws.RemoveRole(kit.AccountID, w.roleOf("app")) // the retained one
	}, y.asked("ListRoles"))
	orphan := w.provisioning(flags...)
	w.accountWith("orphan", own)
	w.settled("orphan", operation{before: own}.served())
	orphan.Kill()
	during("an orphan sweep that finds an orphan", sweep, func() {
		w.remove("orphan")
		_, err := w.Kubectl(y.t.Context(), "patch", "serviceaccount", "orphan", "-n", w.namespace, "--type=merge", "-p", `{"metadata":{"finalizers":null}}`)
		require.NoError(y.t, err)
	}, y.asked("DeleteRole"))

	w.aws.SetSession(30 * time.Second)
	c := w.provisioning(flags...)
	require.NoError(y.t, w.Client().CoreV1().Secrets(w.namespace).Delete(y.t.Context(), "first.aws-iam", metav1.DeleteOptions{}))
	w.secret("first.aws-iam", nil)
	y.count("a renewal", nothing, y.renewed("first"))
	c.Kill()
	w.aws.SetSession(0)
}

// countRestart counts what a new process asks.
func (y *tally) countRestart() {
	y.t.Helper()
	w := y.crashPoints
	require.NoError(y.t, w.Client().CoreV1().Secrets(w.namespace).Delete(y.t.Context(), "first.aws-iam", metav1.DeleteOptions{}))
	w.aws.Set(awssim.Settings{RolesPerAccount: new(2000)})
	c := w.provisioning(append([]string{"--max-roles-per-namespace=0"}, flags...)...)
	w.thousand(c)
	c.Kill()
	y.count("a restart over 1,000 managed roles with valid credentials", func() { c = w.provisioning(flags...) },
		func(context.Context) error { return nil })
	c.Kill()
}

// thousand makes as many roles, and waits until AWS and the API server are left alone.
func (w *crashPoints) thousand(c *kit.Controller) {
	w.t.Helper()
	const n = 1000
	for i := range n {
		w.accountWith(fmt.Sprintf("many-%d", i), own)
	}
	require.NoError(w.t, kit.Eventually(w.t.Context(), 3*time.Minute, func(ctx context.Context) error {
		ready, err := c.Metric(ctx, `kube_aws_iam_controller_identities{source="serviceaccount",state="ready"}`)
		if err == nil && ready < n {
			err = fmt.Errorf("%v of %d are ready", ready, n)
		}
		time.Sleep(200 * time.Millisecond)
		return err
	}))
}

func (y *tally) assertDocumented() {
	y.t.Helper()
	root, err := cluster.Root()
	require.NoError(y.t, err)
	path := filepath.Join(root, "docs", "aws-calls.md")
	page := callsHead + y.page.String()
	if *update {
		require.NoError(y.t, os.WriteFile(path, []byte(page), 0o644))
	}
	documented, err := os.ReadFile(path)
	require.NoError(y.t, err)
	assert.Equal(y.t, string(documented), page, "make docs writes what was counted")
}
