package attacks

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"kube-aws-iam-controller/internal/awssim"

	"kube-aws-iam-controller/test/cluster"
	"kube-aws-iam-controller/test/kit"
)

var shared cluster.Shared

func TestMain(m *testing.M) { os.Exit(shared.Run(m)) }

// within is how long what happens at once may take on a busy machine.
const within = 2 * kit.Within

// readBucket is a policy that tenants may well ask for.
const readBucket = kit.ReadBucket

// settings are how an installation is set up.
type settings struct {
	args []string
	// guarded has the component guard installed.
	guarded bool
	// components are others that are installed.
	components []string
	// through is the intermediate role, "" for none.
	through string
	// slow has AWS answer in 50 ms, and the controller ask IAM as often as it does by default.
	slow bool
	// podIdentity has the controller run under EKS Pod Identity, whose session tags are on.
	podIdentity bool
	// webhook has pods mutated by the webhook, not the policy. Attacks come one after the other then.
	webhook bool
	// outdated has a pod of a version before beside it, so that the API server is told of no path.
	outdated bool
	// rules says that namespaces are told what they may use.
	rules bool
}

// An installation is a controller as it is set up, and a tenant who has what others would like to have.
type installation struct {
	*cluster.Cluster
	settings

	t          *testing.T
	aws        *kit.AWS
	iam        *iam.Client // an administrator's
	controller *kit.Controller
	log        string
	// webhookAddress is where the webhook listens, "" without one.
	webhookAddress string
	// principal is whom roles have to trust, victim the tenant's namespace.
	principal, victim string
	// roles are the victim's, by ServiceAccount or AWSIAMRole, and secrets what they got.
	roles   map[string]string
	secrets map[string]*corev1.Secret
	trusts  map[string]string // of those roles
}

// newInstallation installs what is shipped and waits until the victim is served.
func newInstallation(t *testing.T, how settings) *installation {
	t.Helper()
	g := &installation{
		Cluster: shared.Get(t), settings: how, t: t, log: filepath.Join(t.TempDir(), "controller.log"),
		roles: map[string]string{}, secrets: map[string]*corev1.Secret{}, trusts: map[string]string{},
	}
	kubeconfig, err := kit.Install(t.Context(), g.Access)
	require.NoError(t, err)
	g.mutate()
	if how.guarded {
		g.component(kit.GuardComponent())
	}
	for _, name := range how.components {
		g.component(kit.Component{Name: name})
	}
	g.prepareAWS()
	t.Cleanup(g.end)
	g.run(kubeconfig)
	g.serveVictim()
	g.awaitAdmission()
	return g
}

// mutate installs what gives pods their credentials.
func (g *installation) mutate() {
	g.t.Helper()
	if !g.webhook {
		g.component(kit.PolicyComponent("registry.example/kube-aws-iam-controller:v1", nil))
		return
	}
	port, err := cluster.FreePort(g.t.Context())
	require.NoError(g.t, err)
	g.webhookAddress = fmt.Sprintf("127.0.0.1:%d", port)
	g.args = append(slices.Clone(g.args), "--webhook-listen-address="+g.webhookAddress)
	g.component(kit.WebhookComponent(port))
	if g.outdated {
		g.addOutdated()
	}
}

// addOutdated makes a pod of a version that answers at the path that everybody knows. It runs nowhere.
func (g *installation) addOutdated() {
	g.t.Helper()
	pods := g.Client().CoreV1().Pods(kit.Namespace)
	made, err := pods.Create(g.t.Context(), &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{GenerateName: "outdated-", Labels: map[string]string{"app.kubernetes.io/name": kit.Account}},
		Spec:       corev1.PodSpec{Containers: []corev1.Container{{Name: "controller", Image: "registry.example/c"}}},
	}, metav1.CreateOptions{})
	require.NoError(g.t, err)
	g.t.Cleanup(func() {
		assert.NoError(g.t, pods.Delete(context.Background(), made.Name, metav1.DeleteOptions{GracePeriodSeconds: new(int64(0))}))
	})
}

// awaitAdmission returns once what was installed is in force: the API server takes a moment for each policy.
func (g *installation) awaitAdmission() {
	g.t.Helper()
	probe := func(account, secret string) *corev1.Pod {
		return &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: "probe"}, Spec: corev1.PodSpec{
			ServiceAccountName: account, ImagePullSecrets: []corev1.LocalObjectReference{{Name: secret}},
			Containers: []corev1.Container{{Name: "c", Image: "registry.example/c"}},
		}}
	}
	dry := metav1.CreateOptions{DryRun: []string{metav1.DryRunAll}}
	require.NoError(g.t, kit.Eventually(g.t.Context(), within, func(ctx context.Context) error {
		made, err := g.Client().CoreV1().Pods(g.victim).Create(ctx, probe("app", "mine"), dry)
		if err != nil || len(made.Spec.Containers[0].Env) == 0 {
			return fmt.Errorf("pods are not mutated yet: %w", err)
		}
		_, refused := g.Client().CoreV1().Pods(g.victim).Create(ctx, probe("app", "other.aws-iam"), dry)
		_, refusedToo := g.Client().CoreV1().Secrets(g.victim).Create(ctx, planted("probe.aws-iam", nil, nil), dry)
		if apierrors.IsForbidden(refused) != g.guarded || apierrors.IsForbidden(refusedToo) != g.guarded {
			return fmt.Errorf("the guard is not as it is to be yet: %w, %w", refused, refusedToo)
		}
		return nil
	}))
}

func (g *installation) component(c kit.Component) {
	g.t.Helper()
	require.NoError(g.t, c.Apply(g.t.Context(), g.Access))
	g.t.Cleanup(func() { assert.NoError(g.t, c.Delete(context.Background(), g.Access)) })
}

// prepareAWS has the controller's roles trust the controller, so that nothing in AWS keeps it from handing them out.
func (g *installation) prepareAWS() {
	g.t.Helper()
	var err error
	g.aws, err = kit.StartAWS(g.t.Context(), "/infra/")
	require.NoError(g.t, err)
	g.iam, err = g.aws.Admin()
	require.NoError(g.t, err)
	g.principal = g.aws.ControllerARN()
	g.trustItself(g.aws.ControllerRole, g.principal)
	if g.through == "" {
		return
	}
	controller := g.principal
	g.principal, err = g.aws.AddRole(awssim.RoleSpec{
		Account: kit.AccountID, Path: "/infra/", Name: g.through, Trust: kit.TrustPolicy(controller, "x"),
	})
	require.NoError(g.t, err)
	g.trustItself(g.through, controller, g.principal)
	g.trustItself(g.aws.ControllerRole, controller, g.principal)
}

// trustItself lets principals assume a role whatever they say.
func (g *installation) trustItself(role string, principals ...string) {
	g.t.Helper()
	policy := `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":["` + strings.Join(principals, `","`) +
		`"]},"Action":["sts:AssumeRole","sts:TagSession"]}]}`
	_, err := g.iam.UpdateAssumeRolePolicy(g.t.Context(), &iam.UpdateAssumeRolePolicyInput{RoleName: &role, PolicyDocument: &policy})
	require.NoError(g.t, err)
}

// run starts the controller, for all namespaces.
func (g *installation) run(kubeconfig string) {
	g.t.Helper()
	binary, err := kit.Binary()
	require.NoError(g.t, err)
	args := slices.Clone(g.args)
	switch {
	case g.through != "":
		args = append(args, "--assume-role="+g.principal)
	case g.slow:
		g.aws.SetLatency(50 * time.Millisecond)
		args = append(args, "--permissions-boundary="+g.aws.Boundary)
	default:
		args = append(args, "--permissions-boundary="+g.aws.Boundary, "--iam-qps=1000", "--orphan-sweep-interval=5s")
	}
	g.controller, err = kit.StartController(g.t.Context(), kit.Options{
		Binary: binary, Kubeconfig: kubeconfig, Log: g.log, Args: append(args, "--cluster-name=test", "--role-ready-timeout=5s"),
		Env: append(g.environment(), "POD_NAMESPACE="+kit.Namespace),
	})
	require.NoError(g.t, err)
	require.NoError(g.t, g.controller.WaitReady(g.t.Context(), within))
}

// environment is the controller's, with its credentials.
func (g *installation) environment() []string {
	g.t.Helper()
	if !g.podIdentity {
		return g.aws.ControllerEnv()
	}
	agent, err := g.aws.StartPodIdentity(g.t.TempDir(), false)
	require.NoError(g.t, err)
	g.t.Cleanup(agent.Close)
	return agent.Env(g.aws)
}

// newNamespace makes one that may use roles of a name that it is the first part of.
func (g *installation) newNamespace(t *testing.T, roles string) string {
	t.Helper()
	name := g.NewNamespace(t)
	if g.rules {
		_, err := g.Kubectl(t.Context(), "annotate", "namespace", name, "iam.amazonaws.com/allowed-roles="+strings.ReplaceAll(roles, "NAMESPACE", name))
		require.NoError(t, err)
	}
	return name
}

// role adds an IAM role that trusts the controller on behalf of a namespace.
func (g *installation) role(path, name, namespace string) string {
	g.t.Helper()
	arn, err := g.aws.AddRole(awssim.RoleSpec{
		Account: kit.AccountID, Path: "/" + path, Name: name, Trust: kit.TrustPolicy(g.principal, namespace+"/test"),
	})
	require.NoError(g.t, err)
	return arn
}

// makesRoles says whether roles that are made can be used.
func (g *installation) makesRoles() bool { return g.through == "" && !g.podIdentity }

// serveVictim gives a tenant all that there is.
func (g *installation) serveVictim() {
	g.t.Helper()
	ctx := g.t.Context()
	g.victim = g.newNamespace(g.t, `["*"]`)
	existing := g.role("", g.victim+"-app", g.victim)
	wanted := map[string]map[string]string{"app": {"role": existing}}
	g.roles["app"], g.roles["db"] = existing, existing
	if g.makesRoles() {
		wanted["own"] = map[string]string{"role-policy": readBucket}
	}
	for name, annotations := range wanted {
		_, err := g.Client().CoreV1().ServiceAccounts(g.victim).Create(ctx, account(name, annotations), metav1.CreateOptions{})
		require.NoError(g.t, err)
	}
	_, err := g.KubectlInput(ctx, strings.NewReader(resource("db", nil, existing)), "apply", "-n", g.victim, "-f", "-")
	require.NoError(g.t, err)
	for name := range wanted {
		g.secrets[name] = g.secretOf(ctx, name+".aws-iam")
	}
	g.secrets["db"] = g.secretOf(ctx, "db")
	if g.makesRoles() {
		g.roles["own"] = string(g.secrets["own"].Data["role-arn"])
	}
	for name, arn := range g.roles {
		g.trusts[name] = g.describe(ctx, arn)
	}
}

func (g *installation) secretOf(ctx context.Context, name string) (found *corev1.Secret) {
	g.t.Helper()
	require.NoError(g.t, kit.Eventually(ctx, within, func(ctx context.Context) (err error) {
		found, err = g.Client().CoreV1().Secrets(g.victim).Get(ctx, name, metav1.GetOptions{})
		return err
	}))
	return found
}

// describe is all that makes up a role.
func (g *installation) describe(ctx context.Context, arn string) string {
	name := new(arn[strings.LastIndexByte(arn, '/')+1:])
	role, err1 := g.iam.GetRole(ctx, &iam.GetRoleInput{RoleName: name})
	inline, err2 := g.iam.ListRolePolicies(ctx, &iam.ListRolePoliciesInput{RoleName: name})
	attached, err3 := g.iam.ListAttachedRolePolicies(ctx, &iam.ListAttachedRolePoliciesInput{RoleName: name})
	if err1 != nil || err2 != nil || err3 != nil {
		return fmt.Sprint(err1, err2, err3)
	}
	return fmt.Sprint(*role.Role.RoleId, *role.Role.AssumeRolePolicyDocument, len(role.Role.Tags), inline.PolicyNames, len(attached.AttachedPolicies))
}

// end shows that the controller lives, panicked nowhere, and told nothing that is secret.
func (g *installation) end() {
	defer func() { g.controller.Kill(); g.aws.Close() }()
	ctx := context.Background()
	assert.True(g.t, g.controller.Running(), "the controller runs")
	log, err := os.ReadFile(g.log)
	require.NoError(g.t, err)
	assert.NotContains(g.t, string(log), "panicked")
	leaks, err := kit.Leaks(ctx, g.Access, g.aws, g.log, g.controller)
	require.NoError(g.t, err)
	assert.Empty(g.t, leaks)
	if g.t.Failed() {
		g.t.Logf("the end of the controller's log:\n%s", log[max(0, len(log)-3000):])
	}
}
