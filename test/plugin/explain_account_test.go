package plugin

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"kube-aws-iam-controller/test/kit"
)

// accountSituations are ServiceAccounts that get no credentials, with annotations whose keys may be without the prefix.
var accountSituations = []struct {
	name        string
	annotations map[string]string
	// aws has the user have AWS credentials.
	aws  bool
	want verdict
}{
	{"asks for nothing", nil, false, verdict{"serviceaccount", "asks for nothing", "kubectl annotate serviceaccount"}},
	{"a misspelt key", map[string]string{"roel": "app"}, false, verdict{"serviceaccount", "did you mean iam.amazonaws.com/role?", "kubectl annotate"}},
	{"the annotation of IRSA alone", map[string]string{"eks.amazonaws.com/role-arn": "arn:aws:iam::123456789012:role/app"}, false,
		verdict{"serviceaccount", "eks.amazonaws.com/role-arn is not read by this controller", "iam.amazonaws.com/role=ROLE"}},
	{"a value that is malformed", map[string]string{"role": "app", "session-duration": "10s"}, false, verdict{"annotations", "session-duration", "kubectl edit serviceaccount"}},
	{"a role of two kinds", map[string]string{"role": "app", "role-policy": "{}"}, false, verdict{"annotations", "cannot be combined", "kubectl edit serviceaccount"}},
	{"a managed role where none are made", map[string]string{"managed-policies": "arn:aws:iam::aws:policy/ReadOnlyAccess"}, false,
		verdict{"managed role", "without --permissions-boundary", "set --permissions-boundary"}},
	{"no such role", map[string]string{"role": "missing"}, true, verdict{"trust policy", "role arn:aws:iam::123456789012:role/missing does not exist", "kubectl edit serviceaccount"}},
	{"no such path", map[string]string{"role": "team/foreign"}, true, verdict{"trust policy", "the one of that name is arn:aws:iam::123456789012:role/foreign", "kubectl edit"}},
	{"a trust policy for another external ID", map[string]string{"role": "foreign"}, true,
		verdict{"trust policy", "demands the sts:ExternalId elsewhere/test, and the controller presents", "kubectl aws-iam trust-policy"}},
	{"a role that denies access, without AWS credentials", map[string]string{"role": "foreign"}, false,
		verdict{"events", "GetCredentialsFailed: Failed to get credentials", "aws iam get-role --role-name foreign"}},
	{"a variable that is not known", map[string]string{"role": "$(namespce)-app"}, false,
		verdict{"annotations", `the variable "$(namespce)" is not known: write $(namespace), or`, "kubectl edit serviceaccount"}},
	{"a session policy that is malformed", map[string]string{"role": "app", "session-policy": `{"Version":"2012-10-17","Statement":`}, false,
		verdict{"annotations", "iam.amazonaws.com/session-policy: ", "kubectl edit serviceaccount"}},
	{"a session policy with a variable that is not known", map[string]string{"role": "app", "session-policy": `{"Version":"2012-10-17",
		"Statement":{"Effect":"Allow","Action":"s3:*","Resource":"arn:aws:s3:::$(clutser)"}}`}, false,
		verdict{"annotations", `iam.amazonaws.com/session-policy: the variable "$(clutser)" is not known`, "kubectl edit serviceaccount"}},
	{"no such role, written with variables", map[string]string{"role": "arn:$(partition):iam::$(account):role/$(cluster)/missing"}, true,
		verdict{"trust policy", "role arn:aws:iam::123456789012:role/test/missing does not exist", "kubectl edit serviceaccount"}},
	{"a Secret of somebody else", map[string]string{"role": "app"}, false, verdict{"events", "SecretConflict", "kubectl delete secret"}},
}

// testAccounts explains each of the situations.
func (w *explainWorld) testAccounts(t *testing.T) {
	_, err := w.aws.Role(kit.AccountID, "", "foreign", "elsewhere/test")
	require.NoError(t, err)
	user := w.userEnv(t)
	objects := kit.In(w.Access, w.team)
	for _, s := range accountSituations {
		name := accountName(s.name)
		t.Run(s.name, func(t *testing.T) {
			_, err := objects.Account(t.Context(), name, s.annotations)
			require.NoError(t, err)
			var env []string
			if s.aws {
				env = user
			}
			w.broken(t, env, w.team, "sa/"+name, s.want)
		})
	}
	t.Run("what others report, and what was said of an earlier object", w.testForeignEvents)
	t.Run("what limits sessions", w.testSessionPolicy)
	t.Run("no such ServiceAccount", func(t *testing.T) {
		w.broken(t, nil, w.team, "sa/nobody", verdict{"serviceaccount", "does not exist", "kubectl create serviceaccount nobody"})
	})
	t.Run("no such AWSIAMRole", func(t *testing.T) {
		w.broken(t, nil, w.team, "awsiamrole/nobody", verdict{"awsiamrole", "does not exist", "kubectl get awsiamroles"})
	})
	t.Run("an AWSIAMRole that is malformed", func(t *testing.T) {
		require.NoError(t, objects.ApplyYAML(t.Context(), "awsiamrole/malformed",
			"apiVersion: zalando.org/v1\nkind: AWSIAMRole\nmetadata: {name: malformed, namespace: "+w.team+"}\nspec: {roleReference: 'arn:aws:s3:::bucket'}\n"))
		w.broken(t, nil, w.team, "awsiamrole/malformed", verdict{"annotations", "is not the ARN of an IAM role", "kubectl edit awsiamrole malformed"})
	})
}

// testSessionPolicy is about what is not broken, and why AWS denies requests.
func (w *explainWorld) testSessionPolicy(t *testing.T) {
	_, err := kit.In(w.Access, w.team).Account(t.Context(), "limited", map[string]string{
		"role": "app", "session-policy": `{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":["s3:GetObject","s3:List*"],"Resource":"arn:aws:s3:::$(cluster)"}}`,
	})
	require.NoError(t, err)
	a, _ := w.explain(t, nil, w.team, "sa/limited")
	assert.Equal(t, "ok", a.find("annotations").State)
	assert.Contains(t, a.find("session policy").Message, "iam.amazonaws.com/session-policy limits sessions to 1 statement: Allow s3:GetObject, s3:List*")
}

// testForeignEvents is about Warnings that are not the controller's about this ServiceAccount, which nothing is wrong with.
func (w *explainWorld) testForeignEvents(t *testing.T) {
	w.secret(t, "process")
	account, err := w.Client().CoreV1().ServiceAccounts(w.team).Get(t.Context(), "process", metav1.GetOptions{})
	require.NoError(t, err)
	later := metav1.NewTime(time.Now().Add(time.Minute))
	for _, e := range []corev1.Event{
		{Reason: "PolicyViolation", Source: corev1.EventSource{Component: "kyverno"}, InvolvedObject: corev1.ObjectReference{UID: account.UID}},
		{Reason: "GetCredentialsFailed", Source: corev1.EventSource{Component: "kube-aws-iam-controller"}, InvolvedObject: corev1.ObjectReference{UID: "of-an-earlier-one"}},
	} {
		e.GenerateName, e.Type, e.Message, e.FirstTimestamp, e.LastTimestamp = "foreign-", corev1.EventTypeWarning, "no", later, later
		e.InvolvedObject.Kind, e.InvolvedObject.Namespace, e.InvolvedObject.Name = "ServiceAccount", w.team, "process"
		_, err = w.Client().CoreV1().Events(w.team).Create(t.Context(), &e, metav1.CreateOptions{})
		require.NoError(t, err)
	}
	a, _ := w.explain(t, nil, w.team, "sa/process")
	assert.Equal(t, explainedLink{Check: "events", State: "ok", Message: "no warning since the last credentials"}, a.find("events"))
}

// userEnv is the environment of a user with AWS credentials.
func (w *explainWorld) userEnv(t *testing.T) []string {
	t.Helper()
	_, err := w.aws.AddUser(kit.AccountID, "somebody", true)
	require.NoError(t, err)
	credentials, err := w.aws.UserCredentials(kit.AccountID, "somebody")
	require.NoError(t, err)
	return append(w.aws.EndpointEnv(), "AWS_ACCESS_KEY_ID="+credentials.AccessKeyID, "AWS_SECRET_ACCESS_KEY="+credentials.SecretAccessKey)
}

// foreignSecret creates a Secret that is not the controller's.
func (w *explainWorld) foreignSecret(t *testing.T, name string) {
	t.Helper()
	const value = "what-nobody-may-read"
	w.secrets = append(w.secrets, value)
	_, err := w.Client().CoreV1().Secrets(w.team).Create(t.Context(), &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{Name: name}, StringData: map[string]string{"password": value, "AWS_ACCESS_KEY_ID": "AKIA" + value},
	}, metav1.CreateOptions{})
	require.NoError(t, err)
}
