package e2e

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"kube-aws-iam-controller/internal/awssim"

	"kube-aws-iam-controller/test/debian"
	"kube-aws-iam-controller/test/kit"
)

// A migration has a workload of each of three systems, and what "kubectl aws-iam migrate" plans for them.
type migration struct {
	*world

	calls     *calls
	kube2iam  *kube2iam
	manifests string                     // the directory of those from before
	trusted   map[string]json.RawMessage // the statement from before, by role
	plan      plan
}

// Workloads of the three systems.
const (
	predecessors = "billing"
	kube2iams    = "orders"
	irsas        = "search"
)

// before are patterns of the sessions that each system has.
var before = map[string]string{
	predecessors: `/billing-role/123456789012\.billing-role$`,
	kube2iams:    `/orders-role/` + kube2iamSession + `$`,
	irsas:        `/search-role/[^.]+$`, // the SDK makes it up
}

// after are the names of their ServiceAccounts.
var after = map[string]string{predecessors: "billing", kube2iams: "orders-role", irsas: "search"}

func TestAMigrationAndTheWayBackFailNoCall(t *testing.T) {
	m := newMigration(t)
	m.awaitBefore(predecessors, kube2iams, irsas)

	m.trust(true, true)
	m.applyAccounts()
	m.carryOut("2")
	m.carryOut("3")
	m.awaitAfter(predecessors)
	m.awaitBefore(kube2iams, irsas)
	m.goBack("3")
	m.awaitBefore(predecessors)

	m.applyAccounts()
	m.carryOut("3")
	m.carryOut("4")
	m.awaitAfter(predecessors, kube2iams)
	m.awaitBefore(irsas) // with the credentials of both

	m.apply(m.migrate("--remove-old"))
	m.carryOut("5")
	m.awaitAfter(predecessors, kube2iams, irsas)
	m.trust(false, true)
	m.kube2iam.stop()
	m.renewAll()
	m.awaitAfter(predecessors, kube2iams, irsas)

	m.kube2iam.start()
	m.trust(true, true)
	_, err := m.Kubectl(t.Context(), "apply", "-f", m.manifests)
	require.NoError(t, err)
	m.awaitAny()
	m.goBack("5")
	m.awaitAny()
	_, err = m.Kubectl(t.Context(), "rollout", "restart", "deployment", "-n", m.namespace)
	require.NoError(t, err)
	m.awaitBefore(predecessors, kube2iams, irsas)
	m.goBack("2")
	m.trust(true, false)
	m.awaitNoSecrets()
	m.awaitBefore(predecessors, kube2iams, irsas)
	m.calls.end()
}

// newMigration starts the three systems and their workloads, and plans.
func newMigration(t *testing.T) *migration {
	t.Helper()
	m := &migration{world: install(t, "admission-policy", "admission-settings")}
	installBoto(t)
	// No session ends meanwhile, but botocore asks anew before each call when less than ten minutes are left: it notices at
	// once if it may no longer.
	m.aws.SetSession(9 * time.Minute)
	t.Cleanup(func() { m.aws.SetSession(session) })
	m.awaitAdmission()
	m.calls = m.follow()
	m.kube2iam = m.startKube2iam(m.calls.pods)
	m.startIRSA()
	_, err := m.Client().CoreV1().ConfigMaps(m.namespace).Create(t.Context(), &corev1.ConfigMap{
		ObjectMeta: metav1.ObjectMeta{Name: "aws"},
		Data: map[string]string{
			"AWS_ENDPOINT_URL_STS": m.aws.URL(), "AWS_REGION": "eu-central-1", "AWS_DEFAULT_REGION": "eu-central-1",
			"AWS_EC2_METADATA_SERVICE_ENDPOINT": "http://" + m.kube2iam.address, "AWS_METADATA_SERVICE_TIMEOUT": "30",
		},
	}, metav1.CreateOptions{})
	require.NoError(t, err)
	m.makeRoles()
	m.makeManifests()
	_, err = m.Kubectl(t.Context(), "apply", "-f", m.manifests)
	require.NoError(t, err)
	return m
}

// installBoto installs boto3, which runs in pods as it is on this machine.
func installBoto(t *testing.T) {
	t.Helper()
	if exec.Command("/usr/bin/python3", "-c", "import boto3").Run() != nil {
		require.NoError(t, debian.Install(t.Context(), os.Stderr, map[string]string{"boto3 for /usr/bin/python3": "python3-boto3"}))
	}
}

// startIRSA has pods of annotated ServiceAccounts get tokens.
func (m *migration) startIRSA() {
	m.t.Helper()
	const webhook = "testdata/eks-webhook.yaml"
	_, err := m.Kubectl(m.t.Context(), "apply", "-f", webhook)
	require.NoError(m.t, err)
	m.t.Cleanup(func() {
		_, failed := m.Kubectl(context.Background(), "delete", "-f", webhook)
		require.NoError(m.t, failed)
	})
	_, err = m.Client().CoreV1().ServiceAccounts(m.namespace).Create(m.t.Context(), &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{
		Name: "token", Annotations: map[string]string{"eks.amazonaws.com/role-arn": kit.ARN(kit.AccountID, "", "token")},
	}}, metav1.CreateOptions{})
	require.NoError(m.t, err)
	m.eventually(func(ctx context.Context) error {
		pod := probe(func(pod *corev1.Pod) { pod.Spec.ServiceAccountName = "token" })
		made, err := m.Client().CoreV1().Pods(m.namespace).Create(ctx, pod, metav1.CreateOptions{DryRun: []string{metav1.DryRunAll}})
		if err == nil && len(made.Spec.Containers[0].Env) == 0 {
			err = errors.New("pods are not given tokens yet")
		}
		return err
	})
}

// makeRoles adds the roles as each system has them.
func (m *migration) makeRoles() {
	m.t.Helper()
	provider, issuer, err := m.aws.AddClusterProvider(m.t.Context(), m.Access)
	require.NoError(m.t, err)
	m.trusted = map[string]json.RawMessage{}
	for role, trust := range map[string]string{
		"billing-role": assumeRoleTrust(m.aws.ControllerARN()),
		"orders-role":  assumeRoleTrust(kit.ARN(kit.AccountID, "", nodeRole)),
		"search-role":  kit.WebIdentityTrust(provider, issuer, m.namespace, irsas),
	} {
		_, err = m.aws.AddRole(awssim.RoleSpec{Account: kit.AccountID, Name: role, Trust: trust})
		require.NoError(m.t, err)
		var document struct {
			Statement []json.RawMessage `json:"Statement"`
		}
		require.NoError(m.t, json.Unmarshal([]byte(trust), &document))
		m.trusted[role] = document.Statement[0]
	}
}

func assumeRoleTrust(principal string) string {
	return `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":"` + principal + `"},"Action":"sts:AssumeRole"}]}`
}

// makeManifests writes the workloads' manifests, and has the migration planned.
func (m *migration) makeManifests() {
	m.t.Helper()
	m.manifests = m.t.TempDir()
	paths, err := filepath.Glob("testdata/migration/*.yaml")
	require.NoError(m.t, err)
	for _, path := range paths {
		text, failed := os.ReadFile(path)
		require.NoError(m.t, failed)
		made := strings.ReplaceAll(string(text), "NAMESPACE", m.namespace)
		require.NoError(m.t, os.WriteFile(filepath.Join(m.manifests, filepath.Base(path)), []byte(made), 0o600))
	}
	file := filepath.Join(m.t.TempDir(), "plan.txt")
	m.migrate("--plan", file)
	text, err := os.ReadFile(file)
	require.NoError(m.t, err)
	m.plan = readPlan(m.t, string(text))
}

// migrate returns the manifests that the plugin prints.
func (m *migration) migrate(args ...string) string {
	m.t.Helper()
	printed, err := kit.RunPlugin(m.t.Context(), m.AdminKubeconfig(), append([]string{
		"migrate", "-f", m.manifests, "--cluster-name=e2e", "--controller-role-arn=" + m.aws.ControllerARN(),
	}, args...)...)
	require.NoError(m.t, err)
	require.Zero(m.t, printed.Code, printed.Stderr)
	return printed.Stdout
}

// applyAccounts applies what the plan names in step 2.
func (m *migration) applyAccounts() {
	m.t.Helper()
	m.apply(m.migrate("--only", "ServiceAccount,RoleBinding,ClusterRoleBinding,Namespace"))
}

func (m *migration) apply(manifests string) {
	m.t.Helper()
	_, err := m.KubectlInput(m.t.Context(), strings.NewReader(manifests), "apply", "-f", "-")
	require.NoError(m.t, err, manifests)
}

// trust lets each role trust what it did before, and what the plan says.
func (m *migration) trust(old, planned bool) {
	m.t.Helper()
	admin, err := m.aws.Admin()
	require.NoError(m.t, err)
	added := m.plan.trust(m.t)
	require.Len(m.t, added, len(m.trusted))
	for name, statements := range added {
		name = name[strings.LastIndex(name, "/")+1:]
		all := slices.Clone(statements)
		if !planned {
			all = nil
		}
		if old {
			all = append(all, m.trusted[name])
		}
		document, err := json.Marshal(map[string]any{"Version": "2012-10-17", "Statement": all})
		require.NoError(m.t, err)
		_, err = admin.UpdateAssumeRolePolicy(m.t.Context(), &iam.UpdateAssumeRolePolicyInput{RoleName: &name, PolicyDocument: new(string(document))})
		require.NoError(m.t, err)
	}
}

// carryOut does what a step of the plan says.
func (m *migration) carryOut(step string) { m.t.Helper(); m.run(m.plan.tasks(step, false)) }

// goBack does how the plan goes back from a step.
func (m *migration) goBack(step string) { m.t.Helper(); m.run(m.plan.tasks(step, true)) }

func (m *migration) run(tasks []task) {
	m.t.Helper()
	require.NotEmpty(m.t, tasks)
	for _, task := range tasks {
		switch {
		case task.asItWas:
			_, err := m.Kubectl(m.t.Context(), "apply", "-f", m.fileOf(task.apply))
			require.NoError(m.t, err)
		case task.apply != "":
			m.apply(m.migrate("--only", task.apply))
		default:
			m.eventually(func(ctx context.Context) error {
				_, err := m.Kubectl(ctx, task.command...)
				return err
			})
		}
	}
}

// fileOf returns the file from before with an object, which has others, too.
func (m *migration) fileOf(object string) string {
	m.t.Helper()
	_, name, _ := strings.Cut(object, "/")
	paths, err := filepath.Glob(filepath.Join(m.manifests, "*.yaml"))
	require.NoError(m.t, err)
	for _, path := range paths {
		text, err := os.ReadFile(path)
		require.NoError(m.t, err)
		if strings.Contains(string(text), "kind: Deployment\nmetadata:\n  name: "+name+"\n") {
			return path
		}
	}
	require.Fail(m.t, "no file has "+object)
	return ""
}

func (m *migration) awaitBefore(apps ...string) {
	m.t.Helper()
	m.t.Logf("waiting for before: the sessions of %s", apps)
	for _, app := range apps {
		m.calls.await(app, before[app])
	}
}

func (m *migration) awaitAfter(apps ...string) {
	m.t.Helper()
	m.t.Logf("waiting for after: the sessions of %s", apps)
	for _, app := range apps {
		m.calls.await(app, "/"+app+"-role/"+m.namespace+`\.`+after[app]+"$")
	}
}

// awaitAny returns once all pods call with any session: a program that is told to end while it starts does not hear it.
func (m *migration) awaitAny() {
	m.t.Helper()
	for app := range after {
		m.calls.await(app, "/")
	}
}

// renewAll has new credentials issued, under the trust policies of now.
func (m *migration) renewAll() {
	m.t.Helper()
	for _, account := range after {
		m.replaceSecret(account + ".aws-iam")
	}
}

// awaitNoSecrets returns once the controller serves no ServiceAccount.
func (m *migration) awaitNoSecrets() {
	m.t.Helper()
	m.eventually(func(ctx context.Context) error {
		secrets, err := m.Client().CoreV1().Secrets(m.namespace).List(ctx, metav1.ListOptions{LabelSelector: "iam.amazonaws.com/source=serviceaccount"})
		if err == nil && len(secrets.Items) > 0 {
			err = errors.New(secrets.Items[0].Name + " is still there")
		}
		return err
	})
}
