package docs

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"kube-aws-iam-controller/test/cluster"
	"kube-aws-iam-controller/test/kit"
)

var shared = cluster.Shared{Apart: true}

func TestMain(m *testing.M) { os.Exit(shared.Run(m)) }

// commandLimit is how long one command may take. The longest builds the program.
const commandLimit = 15 * time.Minute

// A world is a copy of the repository to run commands in, a control plane that kubectl finds, and a running controller,
// since no node runs what is installed.
type world struct {
	*cluster.Cluster

	t   *testing.T
	dir string
	env []string
	// settings are the variables of the running controller.
	settings []string
}

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{Cluster: shared.Get(t), t: t, dir: clone(t)}
	tools := t.TempDir()
	require.NoError(t, os.Symlink(w.KubectlPath(), filepath.Join(tools, "kubectl")))
	plugin, err := kit.Plugin()
	require.NoError(t, err)
	require.NoError(t, os.Symlink(plugin, filepath.Join(tools, "kubectl-aws_iam")))
	w.env = append(os.Environ(), "PATH="+tools+":"+os.Getenv("PATH"), "KUBECONFIG="+w.AdminKubeconfig(), "KUBECACHEDIR="+t.TempDir())
	w.start()
	return w
}

// start runs a controller of the cluster that the documents are about, with the roles that they name.
func (w *world) start() {
	w.t.Helper()
	aws, err := kit.StartAWS(w.t.Context(), "/")
	require.NoError(w.t, err)
	w.t.Cleanup(aws.Close)
	const clusterName = "demo-cluster"
	require.NoError(w.t, aws.ServeCluster(w.t.Context(), clusterName))
	w.settings = append(aws.ControllerEnv(), "KUBE_AWS_IAM_CLUSTER_NAME="+clusterName)
	_, err = aws.Role(kit.AccountID, "", "demo-app", "demo/"+clusterName)
	require.NoError(w.t, err)
	binary, err := kit.BuildController(w.t.Context())
	require.NoError(w.t, err)
	kubeconfig, err := kit.Install(w.t.Context(), w.Access)
	require.NoError(w.t, err)
	log := filepath.Join(w.t.TempDir(), "controller.log")
	controller, err := kit.StartController(w.t.Context(), kit.Options{
		Binary: binary, Kubeconfig: kubeconfig, Log: log,
		Env: append(aws.ControllerEnv(), "POD_NAMESPACE="+kit.Namespace),
		Args: []string{
			"--cluster-name=" + clusterName, "--permissions-boundary=" + aws.Boundary,
			"--leader-elect", "--leader-elect-namespace=" + kit.Namespace,
		},
	})
	require.NoError(w.t, err)
	w.t.Cleanup(func() {
		controller.Kill()
		if text, _ := os.ReadFile(log); w.t.Failed() {
			w.t.Logf("the end of the controller's log:\n%s", text[max(0, len(text)-10000):])
		}
	})
	require.NoError(w.t, controller.WaitReady(w.t.Context(), time.Minute))
}

// clone copies the repository as it is here, without what was built.
func clone(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	for _, name := range files(t) {
		path := filepath.Join(dir, name)
		require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o700))
		require.NoError(t, os.WriteFile(path, []byte(read(t, name)), 0o600))
	}
	return dir
}

// run runs a command as a shell does, at the top of the copy.
func (w *world) run(t *testing.T, text string) (out string, code int) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), commandLimit)
	defer cancel()
	shell := exec.CommandContext(ctx, "sh", "-eu", "-c", text)
	shell.Dir, shell.Env = w.dir, w.env
	printed, err := shell.CombinedOutput()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		require.NoError(t, err, text)
	}
	return string(printed), shell.ProcessState.ExitCode()
}

// succeeds runs a command that has to.
func (w *world) succeeds(t *testing.T, text string) {
	t.Helper()
	out, code := w.run(t, text)
	require.Zero(t, code, "%s\n%s", text, out)
}

// before is what a page takes for granted that no other page brings about.
var before = map[string]func(*world){
	// It takes the component webhook away.
	"docs/admission.md": func(w *world) {
		w.succeeds(w.t, "kubectl apply -f manifests/components/webhook/rbac.yaml")
		w.succeeds(w.t, "kubectl create secret generic kube-aws-iam-controller-webhook --namespace kube-system")
	},
	// It looks for what charts annotated for IRSA.
	"docs/migration.md": func(w *world) {
		w.succeeds(w.t, "kubectl create serviceaccount external-dns --namespace demo")
		w.succeeds(w.t, "kubectl annotate serviceaccount external-dns --namespace demo eks.amazonaws.com/role-arn=arn:aws:iam::123456789012:role/external-dns")
	},
	// It restores a backup: Velero's namespace is there, and a file with the block that begins like this.
	"docs/operations.md": func(w *world) {
		w.succeeds(w.t, "kubectl create namespace velero")
		for _, b := range (page{name: "docs/operations.md", text: read(w.t, "docs/operations.md")}).blocks(w.t) {
			if strings.HasPrefix(b.text(), "version: v1\nresourceModifierRules:") {
				require.NoError(w.t, os.WriteFile(filepath.Join(w.dir, "modifiers.yaml"), []byte(b.text()), 0o600))
			}
		}
	},
}
