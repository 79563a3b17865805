package monitoring

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"sigs.k8s.io/yaml"

	"kube-aws-iam-controller/test/cluster"
)

// source is where alerts and dashboard are written by hand; all else is made from it.
const source = "charts/kube-aws-iam-controller/files/monitoring/"

// A ruleFile is Prometheus's own format.
type ruleFile struct {
	Groups []ruleGroup `json:"groups"`
}

type ruleGroup struct {
	Name  string `json:"name"`
	Rules []rule `json:"rules"`
}

type rule struct {
	Alert       string            `json:"alert"`
	Expr        string            `json:"expr"`
	For         string            `json:"for,omitempty"`
	Labels      map[string]string `json:"labels"`
	Annotations map[string]string `json:"annotations"`
}

func (f ruleFile) rules() (all []rule) {
	for _, group := range f.Groups {
		all = append(all, group.Rules...)
	}
	return all
}

// read returns a file of the repository.
func read(t *testing.T, name string) string {
	t.Helper()
	root, err := cluster.Root()
	require.NoError(t, err)
	text, err := os.ReadFile(filepath.Join(root, name))
	require.NoError(t, err)
	return string(text)
}

func rules(t *testing.T) (f ruleFile) {
	t.Helper()
	require.NoError(t, yaml.UnmarshalStrict([]byte(read(t, source+"rules.yaml")), &f))
	require.NotEmpty(t, f.rules())
	return f
}

func TestRulesDoWhatTheirUnitTestsSay(t *testing.T) {
	files, err := filepath.Glob("testdata/*.yaml")
	require.NoError(t, err)
	require.NotEmpty(t, files)
	promtool := program(t, "promtool")
	for _, args := range [][]string{{"check", "rules", "../../" + source + "rules.yaml"}, append([]string{"test", "rules"}, files...)} {
		out, err := exec.CommandContext(t.Context(), promtool, args...).CombinedOutput()
		assert.NoError(t, err, "%v: %s", args, out)
	}
}

// TestEveryAlertFiresInAUnitTest holds that none is forgotten; the files hold when each fires, and that nothing else does.
func TestEveryAlertFiresInAUnitTest(t *testing.T) {
	files, err := filepath.Glob("testdata/*.yaml")
	require.NoError(t, err)
	var all strings.Builder
	for _, name := range files {
		text, err := os.ReadFile(name)
		require.NoError(t, err)
		all.Write(text)
	}
	for _, r := range rules(t).rules() {
		assert.Regexp(t, `labels: 'ALERTS\{alertname="`+r.Alert+`",alertstate="firing",severity="`+r.Labels["severity"]+`"`, all.String())
	}
}

var value = regexp.MustCompile(`\{\{ *(with )?\$(value|labels\.)`)

func TestEveryAlertSaysWhatToDo(t *testing.T) {
	page := read(t, "docs/operations.md")
	for _, r := range rules(t).rules() {
		assert.Contains(t, []string{"warning", "critical"}, r.Labels["severity"], r.Alert)
		assert.Regexp(t, `^\S.*\.$`, r.Annotations["summary"], r.Alert)
		assert.Regexp(t, value, r.Annotations["description"], "%s names what is wrong", r.Alert)
		assert.Equal(t, "docs/operations.md#"+strings.ToLower(r.Alert), r.Annotations["runbook_url"], r.Alert)
		assert.Len(t, r.Annotations, 3, r.Alert)
		_, runbook, found := strings.Cut(page, "\n#### "+r.Alert+"\n")
		require.True(t, found, "docs/operations.md has no runbook of %s", r.Alert)
		runbook, _, _ = strings.Cut(runbook, "\n#")
		for _, part := range []string{"* **Means:** ", "* **Impact:** ", "* **Diagnose:** ", "* **Fix:** "} {
			assert.Contains(t, runbook, part, r.Alert)
		}
	}
}

func TestEveryRunbookIsOfAnAlert(t *testing.T) {
	var alerts []string
	for _, r := range rules(t).rules() {
		alerts = append(alerts, r.Alert)
	}
	var runbooks []string
	for _, match := range regexp.MustCompile(`(?m)^#### (KubeAWSIAM\w+)$`).FindAllStringSubmatch(read(t, "docs/operations.md"), -1) {
		runbooks = append(runbooks, match[1])
	}
	assert.ElementsMatch(t, alerts, runbooks)
}
