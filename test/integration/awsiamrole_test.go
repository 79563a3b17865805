package integration

import (
	"context"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"kube-aws-iam-controller/test/cluster"
	"kube-aws-iam-controller/test/kit"
)

func TestAnAWSIAMRoleHasASecretAsThePredecessorMadeIt(t *testing.T) {
	w := newWorld(t)
	arn := w.iamRole("team/", "legacy")
	w.start()
	w.role("app", "team: a, iam.amazonaws.com/source: serviceaccount", "roleReference: team/legacy", "roleSessionDuration: 1800")
	secret := w.secret("app", nil)
	d := read(t, secret)

	assert.Equal(t, map[string]string{
		"role-arn": arn,
		"expire":   d.Expiration,
		"credentials": "[default]\naws_access_key_id = " + d.AccessKeyID + "\naws_secret_access_key = " + d.SecretAccessKey +
			"\naws_session_token = " + d.SessionToken + "\naws_expiration = " + d.Expiration + "\n",
		"credentials.process": "[default]\ncredential_process = cat /meta/aws-iam/credentials.json\n",
		"credentials.json": `{"Version":1,"AccessKeyId":"` + d.AccessKeyID + `","SecretAccessKey":"` + d.SecretAccessKey +
			`","SessionToken":"` + d.SessionToken + `","Expiration":"` + d.Expiration + `"}`,
		"awsiamrole-generation": "1",
	}, texts(secret))
	assert.Equal(t, map[string]string{"team": "a", "heritage": "kube-aws-iam-controller", "type": "awsiamrole"}, secret.Labels,
		"the resource's labels, but none that would make it a ServiceAccount's Secret")
	assert.Equal(t, []metav1.OwnerReference{{
		APIVersion: "zalando.org/v1", Kind: "AWSIAMRole", Name: "app", UID: types.UID(w.field("awsiamrole/app", ".metadata.uid")),
	}}, secret.OwnerReferences)
	assert.WithinDuration(t, time.Now().Add(30*time.Minute), d.expires(t), time.Minute)

	w.eventuallyField("awsiamrole/app", ".status.roleARN", arn)
	w.eventuallyField("awsiamrole/app", ".status.expiration", d.Expiration)
	w.eventuallyField("awsiamrole/app", ".status.observedGeneration", "1")
	w.eventuallyField("awsiamrole/app", `.status.conditions[?(@.type=="Ready")].status`, "True")
	assert.Equal(t, "Created credentials for role '"+arn+"', expiry time: "+d.expires(t).UTC().String(),
		w.event("AWSIAMRole", "app", "CreateCredentials"))

	who, err := w.aws.WhoAmI(t.Context(), d.AccessKeyID, d.SecretAccessKey, d.SessionToken)
	require.NoError(t, err)
	assert.Equal(t, "arn:aws:sts::"+kit.AccountID+":assumed-role/legacy/"+kit.AccountID+".team.legacy", who)
}

func TestAChangedAWSIAMRoleGetsOtherCredentials(t *testing.T) {
	w := newWorld(t)
	w.iamRole("", "one")
	two := w.iamRole("", "two")
	w.start()
	w.role("app", "", "roleReference: one")
	secret := w.secret("app", nil)
	w.role("app", "", "roleReference: two")
	next := w.secret("app", secret)
	assert.Equal(t, two, string(next.Data["role-arn"]))
	assert.Equal(t, "2", string(next.Data["awsiamrole-generation"]))
	assert.Equal(t, secret.UID, next.UID)
	w.eventuallyField("awsiamrole/app", ".status.roleARN", two)
	assert.Contains(t, w.event("AWSIAMRole", "app", "UpdateCredentials"), "Updated credentials for role '"+two+"', expiry time: ")
}

func TestAFailingAWSIAMRoleSaysSoInItsStatus(t *testing.T) {
	w := newWorld(t)
	w.start()
	w.role("app", "", "roleReference: no-such-role")
	assert.Contains(t, w.event("AWSIAMRole", "app", "GetCredentialsFailed"), "Failed to get credentials for role 'no-such-role': AccessDenied")
	w.eventuallyField("awsiamrole/app", `.status.conditions[?(@.type=="Ready")].status`, "False")
	w.eventuallyField("awsiamrole/app", `.status.conditions[?(@.type=="Ready")].reason`, "GetCredentialsFailed")
	w.eventuallyField("awsiamrole/app", ".status.observedGeneration", "1")

	w.iamRole("", "no-such-role")
	w.eventuallyField("awsiamrole/app", `.status.conditions[?(@.type=="Ready")].status`, "True")
}

func TestChainedSessionsAreCutToAnHour(t *testing.T) {
	w := newWorld(t)
	w.iamRole("", "app")
	w.start()
	w.role("app", "", "roleReference: app", "roleSessionDuration: 43200")
	secret := w.secret("app", nil)
	assert.WithinDuration(t, time.Now().Add(time.Hour), read(t, secret).expires(t), time.Minute)
	assert.Contains(t, w.event("AWSIAMRole", "app", "GetCredentialsFailed"),
		"ValidationError: The requested DurationSeconds exceeds the 1 hour session limit for roles assumed by role chaining.")
	assert.Equal(t, 2, w.assumed())
}

// predecessorsSecret makes a Secret as the predecessor left it.
func (w *world) predecessorsSecret(name string, owners []metav1.OwnerReference) *corev1.Secret {
	w.t.Helper()
	secret, err := w.Client().CoreV1().Secrets(w.namespace).Create(w.t.Context(), &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{
			Name: name, OwnerReferences: owners,
			Labels: map[string]string{"heritage": "kube-aws-iam-controller", "type": "awsiamrole"},
		},
		Data: map[string][]byte{
			"role-arn": []byte("arn:aws:iam::123456789012:role/" + name), "expire": []byte("2030-01-02T03:04:05Z"),
			"credentials": []byte("old"), "credentials.json": []byte("{}"), "awsiamrole-generation": []byte("1"),
			"credentials.process": []byte("[default]\ncredential_process = cat /meta/aws-iam/credentials.json\n"),
		},
	}, metav1.CreateOptions{FieldManager: "kube-aws-iam-controller"})
	require.NoError(w.t, err)
	return secret
}

func TestBothFormsOfThePredecessorsSecretsAreAdoptedInPlace(t *testing.T) {
	w := newWorld(t)
	w.iamRole("", "owned")
	w.iamRole("", "labelled")
	w.role("owned", "", "roleReference: owned")
	w.role("labelled", "", "roleReference: labelled")
	owner := []metav1.OwnerReference{{
		APIVersion: "zalando.org/v1", Kind: "AWSIAMRole", Name: "owned", UID: types.UID(w.field("awsiamrole/owned", ".metadata.uid")),
	}}
	before := map[string]*corev1.Secret{
		"owned": w.predecessorsSecret("owned", owner), "labelled": w.predecessorsSecret("labelled", nil),
	}
	w.start()
	for name, old := range before {
		adopted := w.secret(name, old)
		assert.Equal(t, old.UID, adopted.UID, "%s: the Secret is the same one", name)
		assert.Len(t, adopted.Data, 6, name)
		assert.Len(t, adopted.OwnerReferences, 1, name)
	}
	time.Sleep(2 * time.Second)
	assert.Equal(t, 2, w.assumed(), "once for each, and then left in peace")
}

// TestDropIn replaces nothing but the program: resource definition, rights and command line are the predecessor's.
func TestDropIn(t *testing.T) {
	t.Parallel()
	control, err := cluster.Start(t.Context(), cluster.Options{})
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, control.Stop()) })
	_, err = control.Kubectl(t.Context(), "apply", "-f", "testdata/predecessor.yaml")
	require.NoError(t, err)
	_, err = control.Kubectl(t.Context(), "wait", "--for=condition=Established", "--timeout=30s", "crd/awsiamroles.zalando.org")
	require.NoError(t, err)

	w := newWorldOn(t, control)
	w.kubeconfig, err = control.ServiceAccountKubeconfig(t.Context(), "kube-system", "kube-aws-iam-controller")
	require.NoError(t, err)
	w.namespace = w.NewNamespace(t)
	arn, err := w.aws.Role(kit.AccountID, "", "app", w.namespace+"/")
	require.NoError(t, err)
	w.role("app", "", "roleReference: app")
	old := w.predecessorsSecret("app", nil)

	binary, err := kit.Binary()
	require.NoError(t, err)
	c, err := kit.StartController(t.Context(), kit.Options{
		Binary: binary, Kubeconfig: w.kubeconfig, Env: w.aws.ControllerEnv(), Log: w.log,
		Args: []string{"--debug", "--interval=10s", "--event-queue-size=10", "--refresh-limit=15m", "--base-role-arn=arn:aws:iam::" + kit.AccountID + ":role/"},
	})
	require.NoError(t, err)
	w.running = append(w.running, c)
	require.NoError(t, c.WaitReady(t.Context(), within), "rights that are missing for ServiceAccounts keep nobody waiting")
	assert.Equal(t, old.UID, w.secret("app", old).UID)
	w.eventuallyField("awsiamrole/app", ".status.roleARN", arn)

	version := w.field("awsiamrole/app", ".metadata.resourceVersion")
	time.Sleep(2 * time.Second)
	assert.Equal(t, version, w.field("awsiamrole/app", ".metadata.resourceVersion"), "no endless writes of what this definition drops")

	// The new definition and rights apply over the old ones, and are used without a restart.
	root, err := cluster.Root()
	require.NoError(t, err)
	_, err = control.Kubectl(t.Context(), "apply", "-k", filepath.Join(root, "manifests", "prerequisites"))
	require.NoError(t, err)
	w.account("new", "app")
	require.NoError(t, kit.Eventually(t.Context(), 90*time.Second, func(ctx context.Context) error {
		_, err := w.Client().CoreV1().Secrets(w.namespace).Get(ctx, "new.aws-iam", metav1.GetOptions{})
		return err
	}))
}

func TestAStatusThatCannotBeReadConcernsNobodyElse(t *testing.T) {
	w := newWorld(t)
	w.iamRole("", "app")
	w.role("poison", "", "roleReference: no-such-role")
	_, err := w.Kubectl(t.Context(), "patch", "awsiamrole", "poison", "-n", w.namespace, "--subresource=status", "--type=merge",
		"-p", `{"status":{"expiration":"soon"}}`)
	require.NoError(t, err)
	w.start()
	w.role("app", "", "roleReference: app")
	w.secret("app", nil)
	w.eventuallyField("awsiamrole/poison", `.status.conditions[?(@.type=="Ready")].status`, "False")
}
