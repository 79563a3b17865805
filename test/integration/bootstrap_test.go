package integration

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"kube-aws-iam-controller/test/kit"
)

func TestASeedIsRenewedByTheControllerThatRunsOnIt(t *testing.T) {
	o := newOutsider(t)
	require.NoError(t, kit.GuardComponent().Apply(t.Context(), o.Access))
	o.ask()
	o.iamRole("", "app")
	out, code := o.bootstrap("--dry-run")
	require.Zero(t, code, out)
	assert.Contains(t, out, "Would get a session of "+o.aws.ControllerARN()+" under the external ID kube-system/test and the session name kube-system.kube-aws-iam-controller")
	assert.Contains(t, out, "Secret kube-system/"+seedSecret+", which is created")
	require.NoError(t, o.home().NoSecret(t.Context(), seedSecret))
	assert.Zero(t, o.assumed(), "a dry run asks for no session")

	o.seeds()
	o.follow()
	before := o.assumed()
	c := o.run()
	o.account("app", "app")
	o.secret("app.aws-iam", nil)
	assert.Equal(t, before+1, o.assumed(), "what was written by hand is as the controller would have written it: it has nothing to do about it")

	o.aws.SetSession(10 * time.Second)
	out, code = o.bootstrap()
	require.Zero(t, code, out)
	assert.Contains(t, out, "which exists and is renewed")
	seed := o.renewed(o.renewed(o.seed()))
	assert.Equal(t, map[string]string{"app.kubernetes.io/managed-by": kit.Account, "iam.amazonaws.com/source": "serviceaccount"}, seed.Labels)

	o.outlive(c)
	o.run()
	o.account("late", "app")
	message, err := o.objects().Event(t.Context(), kit.Said{Kind: "ServiceAccount", Name: "late", Reason: "GetCredentialsFailed"})
	require.NoError(t, err)
	assert.Contains(t, message, "/credentials.json expired at ")
	o.aws.SetSession(0)
	o.seeds()
	o.secret("late.aws-iam", nil)
}

// outlive has a controller be away for longer than its session.
func (o *outsider) outlive(c *kit.Controller) {
	o.t.Helper()
	c.Kill()
	time.Sleep(time.Until(read(o.t, o.seed()).expires(o.t)) + time.Second)
}

func TestNothingTakesFromTheControllerTheSeedThatItRunsOn(t *testing.T) {
	o := newOutsider(t)
	o.ask()
	o.iamRole("", "app")
	o.seeds()
	o.follow()
	require.NoError(t, o.home().Annotate(t.Context(), "namespace/"+kit.Namespace, map[string]any{"iam.amazonaws.com/allowed-roles": "[]"}))
	require.NoError(t, o.objects().Annotate(t.Context(), "namespace/"+o.namespace, map[string]any{"iam.amazonaws.com/allowed-roles": `["app"]`}))
	c := o.run("--namespace-restrictions", "--require-external-id=all")
	require.NoError(t, o.Client().CoreV1().Secrets(kit.Namespace).Delete(t.Context(), seedSecret, metav1.DeleteOptions{}))
	kept, err := o.home().Secret(t.Context(), seedSecret, nil)
	require.NoError(t, err, "written again, although the rules of the namespace allow no role")

	require.NoError(t, o.home().Annotate(t.Context(), "sa/"+kit.Account, map[string]any{"iam.amazonaws.com/role": nil}))
	o.eventually(func(context.Context) error {
		log, failed := c.Output()
		if failed == nil && !strings.Contains(log, "the controller may be running on them") {
			failed = errors.New("nothing is said")
		}
		return failed
	})
	after := o.seed()
	assert.Equal(t, kept.UID, after.UID)
	assert.Equal(t, kept.Data, after.Data)
	o.account("app", "app")
	o.secret("app.aws-iam", nil)
}

// predecessors is the Secret that the predecessor's README has its users create.
func (o *outsider) predecessors(name string) {
	o.t.Helper()
	creds, err := o.aws.RoleCredentials(kit.AccountID, o.aws.ControllerRole, "kube-aws-iam-controller", time.Hour)
	require.NoError(o.t, err)
	_, err = o.Client().CoreV1().Secrets(kit.Namespace).Create(o.t.Context(), &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{Name: name}, Type: corev1.SecretTypeOpaque,
		StringData: map[string]string{
			"credentials.json": fmt.Sprintf(`{"Version": 1, "AccessKeyId": %q, "SecretAccessKey": %q, "SessionToken": %q, "Expiration": %q}`,
				creds.AccessKeyID, creds.SecretAccessKey, creds.SessionToken, creds.Expires.Format(time.RFC3339)),
			"credentials.process": "[default]\ncredential_process = cat /meta/aws-iam/credentials.json",
		},
	}, metav1.CreateOptions{})
	require.NoError(o.t, err)
}

// predecessorsSeed creates a seed as the predecessor has it, with its AWSIAMRole, in the controller's volume.
func (o *outsider) predecessorsSeed() (string, *corev1.Secret) {
	o.t.Helper()
	const name = "kube-aws-iam-controller-iam-role"
	o.predecessors(name)
	require.NoError(o.t, o.home().ApplyYAML(o.t.Context(), "awsiamrole/"+name, `
apiVersion: zalando.org/v1
kind: AWSIAMRole
metadata: {name: `+name+`, namespace: kube-system}
spec: {roleReference: "`+o.aws.ControllerARN()+`"}
`))
	o.volume.Name = name
	return name, o.seed()
}

func TestTheSeedOfThePredecessorIsTakenOver(t *testing.T) {
	o := newOutsider(t)
	require.NoError(t, kit.GuardComponent().Apply(t.Context(), o.Access))
	name, before := o.predecessorsSeed()
	out, code := o.bootstrap("awsiamrole/"+name, "--dry-run")
	require.Zero(t, code, out)
	assert.Contains(t, out, "exists as the seed of the predecessor and is replaced")
	assert.Equal(t, before.UID, o.seed().UID)

	seed := o.seeds("awsiamrole/" + name)
	assert.Equal(t, map[string]string{"heritage": kit.Account, "type": "awsiamrole"}, seed.Labels)
	o.follow()
	asked := o.assumed()
	o.run()
	require.NoError(t, o.home().UntilField(t.Context(), "awsiamrole/"+name, `.status.conditions[?(@.type=="Ready")].status`, "True"))
	assert.Equal(t, asked, o.assumed())
}

// refusals are what a bootstrap cannot do, in order: what one prepares stays.
func (o *outsider) refusals() []refusal {
	kubeconfig := "KUBECONFIG=" + o.AdminKubeconfig()
	tenant, err := o.ServiceAccountKubeconfig(o.t.Context(), "default", "default")
	require.NoError(o.t, err)
	keys := []string{"AWS_ACCESS_KEY_ID=" + o.admin.AccessKeyID, "AWS_SECRET_ACCESS_KEY=" + o.admin.SecretAccessKey}
	admin := append([]string{kubeconfig}, keys...)
	nothing := func() {}
	return []refusal{
		{nothing, admin, "serviceaccount/no-such", "there is no serviceaccount/kube-system/no-such: create it"},
		{nothing, append([]string{"KUBECONFIG=" + tenant}, keys...), "--controller=kube-system/controller", "read the Deployment kube-system/controller: "},
		{o.tenantMayView, append([]string{"KUBECONFIG=" + tenant}, keys...), "--controller=kube-system/controller", "you have to be allowed to impersonate system:serviceaccount:kube-system:kube-aws-iam-controller"},
		{nothing, admin, "", "requests no existing role: annotate it with iam.amazonaws.com/role"},
		{o.ask, []string{kubeconfig}, "", "this command has no AWS credentials: "},
		{func() { o.trust(o.aws.ControllerARN()) }, admin, "", "assume the controller's role: AccessDenied: "},
		{func() { o.trust("arn:aws:iam::" + kit.AccountID + ":user/administrator") }, admin, "", "The trust policy of the role has to allow the role itself"},
	}
}

// tenantMayView lets the tenant see the controller, and no more.
func (o *outsider) tenantMayView() {
	o.t.Helper()
	_, err := o.Kubectl(o.t.Context(), "create", "rolebinding", "tenant", "--namespace="+kit.Namespace, "--clusterrole=view", "--serviceaccount=default:default")
	require.NoError(o.t, err)
}

type refusal struct {
	prepare func()
	env     []string
	args    string
	says    string
}

func TestBootstrapSaysWhatIsMissingAndWritesNothing(t *testing.T) {
	o := newOutsider(t)
	for _, r := range o.refusals() {
		r.prepare()
		out, code := o.bootstrapWith(r.env, strings.Fields(r.args)...)
		assert.Equal(t, 1, code, out)
		assert.Contains(t, out, r.says)
		assert.NotContains(t, out, "within five minutes", "nothing is retried")
		require.NoError(t, o.home().NoSecret(t.Context(), seedSecret))
	}
	out, code := o.bootstrap("deployment/x")
	assert.Equal(t, 1, code, out)
	assert.Contains(t, out, "give serviceaccount/NAME or awsiamrole/NAME")
}

func TestBootstrapLeavesTheSecretsOfOthersAlone(t *testing.T) {
	o := newOutsider(t)
	o.ask()
	secrets := o.Client().CoreV1().Secrets(kit.Namespace)
	for name, others := range map[string]*corev1.Secret{
		"of another shape": {Data: map[string][]byte{"credentials.json": []byte("{}"), "credentials.process": []byte("[default]\n")}},
		"with a label":     {ObjectMeta: metav1.ObjectMeta{Labels: map[string]string{"app": "x"}}},
		"of another type":  {Type: "example.com/own"},
	} {
		others.Name = seedSecret
		before, err := secrets.Create(t.Context(), others, metav1.CreateOptions{})
		require.NoError(t, err, name)
		for _, args := range [][]string{{"--dry-run"}, {}} {
			out, code := o.bootstrap(args...)
			assert.Equal(t, 1, code, out)
			assert.Contains(t, out, "exists and does not belong to the controller, so it was not changed: delete it, or recreate it under another name", name)
		}
		assert.Equal(t, before, o.seed(), name)
		assert.Zero(t, o.assumed(), "no session is asked for that cannot be stored")
		require.NoError(t, secrets.Delete(t.Context(), seedSecret, metav1.DeleteOptions{}))
	}
}
