package plugin

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/cli-runtime/pkg/genericiooptions"
	"kube-aws-iam-controller/internal/cli"

	"kube-aws-iam-controller/test/cluster"
	"kube-aws-iam-controller/test/kit"
)

// migrateExamples are the examples of the command, which its unit tests convert.
const migrateExamples = "internal/cli/migrate/testdata"

// notApplied are examples with documents that no API server of this test takes, and why.
var notApplied = map[string]string{
	"unchanged-neighbours":                "it has documents that are no manifests",
	"json-array":                          "kubectl takes no array",
	"helm-template":                       "it has a template",
	"role-of-several":                     "it has a second namespace",
	"lists-in-lists":                      "kubectl takes no list in a list",
	"template-that-is-yaml":               "it has a template",
	"twice-and-different":                 "it is of two clusters",
	"values-and-patches":                  "it has values of a chart",
	"rollout":                             "there is no such custom resource",
	"unknown-kind":                        "there is no such custom resource",
	"first-api-group":                     "there is no such custom resource",
	"several-files":                       "one of its ServiceAccounts names no namespace",
	"shared-account-one-without-role":     "one of its pods uses a ServiceAccount that is not in it",
	"namespace-kiam":                      "it has a second namespace",
	"json-stream":                         "its pod uses a ServiceAccount that is not in it",
	"new-account-name-in-use":             "its pod uses a ServiceAccount that is not in it",
	"awsiamrole-session-policy-malformed": "it is malformed",
	"injection-disabled":                  "its pod uses a ServiceAccount that is not in it",
	"pod-identity-list":                   "nothing is converted",
	"pod-identity-policy-malformed":       "nothing is converted",
}

// runMigrate runs the plugin and returns what it prints and its exit code.
func runMigrate(t *testing.T, control *cluster.Cluster, args ...string) (stdout, stderr string, code int) {
	t.Helper()
	var out, errOut bytes.Buffer
	args = append([]string{"migrate", "--kubeconfig", control.AdminKubeconfig()}, args...)
	code = cli.Run(t.Context(), "v0", args, genericiooptions.IOStreams{In: &bytes.Buffer{}, Out: &out, ErrOut: &errOut})
	return out.String(), errOut.String(), code
}

// exampleFiles returns copies of an example's files, in a namespace of this test.
func exampleFiles(t *testing.T, name, namespace string) (flags []string) {
	t.Helper()
	root, err := cluster.Root()
	require.NoError(t, err)
	inputs, err := filepath.Glob(filepath.Join(root, migrateExamples, name, "*"))
	require.NoError(t, err)
	dir := t.TempDir()
	for _, input := range inputs {
		data, readErr := os.ReadFile(input)
		require.NoError(t, readErr)
		base := filepath.Base(input)
		switch base {
		case "want.yaml", "plan.txt":
		case "args":
			flags = append(flags, strings.Fields(string(data))...)
		default:
			path := filepath.Join(dir, base)
			require.NoError(t, os.WriteFile(path, bytes.ReplaceAll(data, []byte("team-a"), []byte(namespace)), 0o600))
			flags = append(flags, "-f", path)
		}
	}
	return append(flags, "-n", namespace)
}

// requireValid skips an example that leaves out what an API server requires, because it is
// about something else: it is refused as it is written, before anything is converted.
func requireValid(t *testing.T, control *cluster.Cluster, flags []string) {
	t.Helper()
	for i, flag := range flags {
		if flag != "-f" {
			continue
		}
		_, err := control.Kubectl(t.Context(), "apply", "-n", flags[len(flags)-1], "-f", flags[i+1])
		if err != nil && strings.Contains(err.Error(), " is invalid: ") {
			t.Skip("it is no valid manifest")
		}
	}
}

func TestMigratedExamplesAreApplied(t *testing.T) {
	control := shared.Get(t)
	_, err := kit.Install(t.Context(), control.Access)
	require.NoError(t, err)
	root, err := cluster.Root()
	require.NoError(t, err)
	dirs, err := os.ReadDir(filepath.Join(root, migrateExamples))
	require.NoError(t, err)
	require.NotEmpty(t, dirs)
	var applied atomic.Int32
	t.Cleanup(func() { assert.GreaterOrEqual(t, applied.Load(), int32(30), "examples that an API server takes") })
	for _, dir := range dirs {
		t.Run(dir.Name(), func(t *testing.T) {
			if why, is := notApplied[dir.Name()]; is {
				t.Skip(why)
			}
			t.Parallel()
			ctx, cancel := context.WithTimeout(t.Context(), within)
			defer cancel()
			requireValid(t, control, exampleFiles(t, dir.Name(), control.NewNamespace(t)))
			applied.Add(1)
			namespace := control.NewNamespace(t)
			manifests, stderr, code := runMigrate(t, control, exampleFiles(t, dir.Name(), namespace)...)
			require.Contains(t, []int{0, 3}, code, stderr)
			_, err := control.KubectlInput(ctx, strings.NewReader(manifests), "apply", "-n", namespace, "-f", "-")
			require.NoError(t, err, manifests)
			again, err := control.KubectlInput(ctx, strings.NewReader(manifests), "apply", "-n", namespace, "-f", "-")
			require.NoError(t, err)
			assert.NotContains(t, again, "created")
		})
	}
}

func TestMigratingFromTheCluster(t *testing.T) {
	control := shared.Get(t)
	_, err := kit.Install(t.Context(), control.Access)
	require.NoError(t, err)
	for _, name := range []string{"shared-account-bindings", "awsiamrole", "irsa", "deployment-default-account", "every-kind"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ctx, cancel := context.WithTimeout(t.Context(), within)
			defer cancel()
			namespace := control.NewNamespace(t)
			files := exampleFiles(t, name, namespace)
			for i := range files {
				if files[i] == "-f" {
					_, err := control.Kubectl(ctx, "apply", "-f", files[i+1])
					require.NoError(t, err)
				}
			}
			flags := []string{"--from-cluster", "-n", namespace, "--cluster-name=prod"}
			if name == "every-kind" { // but for the Job, whose template cannot be changed, as the plan says
				flags = append(flags, "--only", "ServiceAccount,StatefulSet,DaemonSet,ReplicaSet,ReplicationController,CronJob")
			}
			printed, plan, _ := runMigrate(t, control, flags...)
			require.NotEmpty(t, printed)
			for _, field := range []string{"uid:", "resourceVersion:", "managedFields:", "creationTimestamp:", "status:", "last-applied-configuration"} {
				assert.NotContains(t, printed, field)
			}
			assert.NotContains(t, printed, "ownerReferences", "what a Deployment made follows it")
			assert.Contains(t, plan, fmt.Sprintf("%q: %q", "sts:ExternalId", namespace+"/prod"))
			out, err := control.KubectlInput(ctx, strings.NewReader(printed), "apply", "--dry-run=server", "-f", "-")
			require.NoError(t, err, printed)
			assert.Contains(t, out, "serviceaccount/")
			_, err = control.KubectlInput(ctx, strings.NewReader(printed), "apply", "-f", "-")
			require.NoError(t, err, printed)
			again, _, _ := runMigrate(t, control, flags...)
			assert.Empty(t, again, "the second time nothing is to be changed")
		})
	}
}

func TestAMigratedJobHasNothingOfTheOldOne(t *testing.T) {
	control := shared.Get(t)
	namespace := control.NewNamespace(t)
	for _, file := range exampleFiles(t, "every-kind", namespace) {
		if strings.HasSuffix(file, ".yaml") {
			_, err := control.Kubectl(t.Context(), "apply", "-f", file)
			require.NoError(t, err)
		}
	}
	printed, _, _ := runMigrate(t, control, "--from-cluster", "-n", namespace, "--only", "ServiceAccount/job,Job")
	assert.NotContains(t, printed, "controller-uid")
	_, err := control.Kubectl(t.Context(), "delete", "job", "job", "-n", namespace)
	require.NoError(t, err)
	out, err := control.KubectlInput(t.Context(), strings.NewReader(printed), "apply", "-f", "-")
	require.NoError(t, err, printed)
	assert.Contains(t, out, "job.batch/job created")
}

func TestMigrateNamesWhatBelongsToHelm(t *testing.T) {
	control := shared.Get(t)
	namespace := control.NewNamespace(t)
	_, err := control.KubectlInput(t.Context(), strings.NewReader(`
apiVersion: apps/v1
kind: Deployment
metadata:
  name: app
  labels: {app.kubernetes.io/managed-by: Helm}
spec:
  selector: {matchLabels: {app: app}}
  template:
    metadata: {labels: {app: app}, annotations: {iam.amazonaws.com/role: app}}
    spec: {containers: [{name: app, image: app}]}
`), "apply", "-n", namespace, "-f", "-")
	require.NoError(t, err)
	_, plan, code := runMigrate(t, control, "--from-cluster", "-n", namespace)
	assert.Equal(t, 3, code)
	assert.Contains(t, plan, "cluster: Deployment "+namespace+"/app: it belongs to Helm")
}

func TestMigrateNamesWhatItMayNotRead(t *testing.T) {
	control := shared.Get(t)
	namespace := control.NewNamespace(t)
	stdout, plan, code := runMigrate(t, control, "--from-cluster", "-n", namespace, "--as", "somebody")
	assert.Equal(t, 3, code)
	assert.Empty(t, stdout)
	for _, resource := range []string{"deployments", "serviceaccounts", "rolebindings", "pods"} {
		assert.Contains(t, plan, resource+" could not be read and are not converted")
	}
	assert.Contains(t, plan, `User "somebody" cannot list resource "deployments"`)
	list, err := control.Client().CoreV1().ServiceAccounts(namespace).List(t.Context(), metav1.ListOptions{})
	require.NoError(t, err)
	assert.Len(t, list.Items, 1)
	assert.True(t, slices.ContainsFunc(strings.Split(plan, "\n"), func(line string) bool { return strings.HasPrefix(line, "NOT CONVERTED") }))
}
