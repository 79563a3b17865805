package integration

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"kube-aws-iam-controller/test/kit"
)

func TestAnAnnotatedServiceAccountHasASecret(t *testing.T) {
	w := newWorld(t)
	arn := w.iamRole("", "app")
	w.start()
	account := w.account("app", "app")
	secret := w.secret("app.aws-iam", nil)

	d := read(t, secret)
	assert.Equal(t, map[string]string{
		"role-arn": arn,
		"expire":   d.Expiration,
		"credentials": "[default]\naws_access_key_id = " + d.AccessKeyID + "\naws_secret_access_key = " + d.SecretAccessKey +
			"\naws_session_token = " + d.SessionToken + "\naws_expiration = " + d.Expiration + "\n",
		"credentials.process": "[default]\ncredential_process = cat /meta/aws-iam/credentials.json\n",
		"credentials.json": `{"Version":1,"AccessKeyId":"` + d.AccessKeyID + `","SecretAccessKey":"` + d.SecretAccessKey +
			`","SessionToken":"` + d.SessionToken + `","Expiration":"` + d.Expiration + `"}`,
		"authorization-token": string(secret.Data["authorization-token"]),
	}, texts(secret))
	assert.Regexp(t, `^[A-Za-z0-9_-]{43,}$`, string(secret.Data["authorization-token"]))
	assert.Equal(t, corev1.SecretTypeOpaque, secret.Type)
	assert.Equal(t, map[string]string{
		"app.kubernetes.io/managed-by": "kube-aws-iam-controller", "iam.amazonaws.com/source": "serviceaccount",
	}, secret.Labels)
	assert.Equal(t, []metav1.OwnerReference{{APIVersion: "v1", Kind: "ServiceAccount", Name: "app", UID: account.UID}}, secret.OwnerReferences)
	assert.Equal(t, arn, secret.Annotations["iam.amazonaws.com/role-arn"])
	assert.Equal(t, d.Expiration, secret.Annotations["iam.amazonaws.com/expiration"])
	assert.Equal(t, w.namespace+"/test", secret.Annotations["iam.amazonaws.com/external-id"])
	assert.WithinDuration(t, time.Now().Add(time.Hour), d.expires(t), time.Minute)

	w.eventuallyField("sa/app", `.metadata.annotations.iam\.amazonaws\.com/role-arn`, arn)
	assert.Equal(t, "Created credentials for role '"+arn+"', expiry time: "+d.expires(t).UTC().String(),
		w.event("ServiceAccount", "app", "CreateCredentials"))

	who, err := w.aws.WhoAmI(t.Context(), d.AccessKeyID, d.SecretAccessKey, d.SessionToken)
	require.NoError(t, err)
	assert.Equal(t, "arn:aws:sts::"+kit.AccountID+":assumed-role/app/"+w.namespace+".app", who)
}

func texts(secret *corev1.Secret) map[string]string {
	all := map[string]string{}
	for key, value := range secret.Data {
		all[key] = string(value)
	}
	return all
}

func TestRolesAreNamedInEveryWay(t *testing.T) {
	w := newWorld(t)
	elsewhere, err := w.aws.Role(kit.OtherAccountID, "", "elsewhere", w.namespace+"/test")
	require.NoError(t, err)
	byARN := w.iamRole("b/", "arn")
	roles := map[string]string{ // by what the annotation says
		"plain":                           w.iamRole("", "plain"),
		"a/path/pathed":                   w.iamRole("a/path/", "pathed"),
		byARN:                             byARN,
		elsewhere:                         elsewhere,
		strings.Repeat("d/", 30) + "deep": w.iamRole(strings.Repeat("d/", 30), "deep"),
	}
	w.start()
	n := 0
	for role, arn := range roles {
		name := "app-" + string(rune('a'+n))
		w.account(name, role)
		assert.Equal(t, arn, string(w.secret(name+".aws-iam", nil).Data["role-arn"]), role)
		n++
	}
}

func TestSessionDurationIsFollowed(t *testing.T) {
	w := newWorld(t)
	w.iamRole("", "app")
	w.start()
	w.account("app", "app", "session-duration", "15m")
	secret := w.secret("app.aws-iam", nil)
	assert.WithinDuration(t, time.Now().Add(15*time.Minute), read(t, secret).expires(t), time.Minute)

	_, err := w.Kubectl(t.Context(), "annotate", "sa", "app", "-n", w.namespace, "--overwrite", "iam.amazonaws.com/session-duration=3600")
	require.NoError(t, err)
	next := w.secret("app.aws-iam", secret)
	assert.WithinDuration(t, time.Now().Add(time.Hour), read(t, next).expires(t), time.Minute)
	assert.Equal(t, secret.UID, next.UID)
	assert.Equal(t, secret.Data["authorization-token"], next.Data["authorization-token"], "stable over refreshes")
	assert.Contains(t, w.event("ServiceAccount", "app", "UpdateCredentials"), "Updated credentials for role '")
}

func TestAnotherNamespaceIsRefusedByTheRolesTrust(t *testing.T) {
	w := newWorld(t)
	_, err := w.aws.Role(kit.AccountID, "", "app", "somebody-else/test")
	require.NoError(t, err)
	w.start()
	w.account("thief", "app")
	message := w.event("ServiceAccount", "thief", "GetCredentialsFailed")
	assert.Contains(t, message, "Failed to get credentials for role 'app': AccessDenied:")
	_, err = w.Client().CoreV1().Secrets(w.namespace).Get(t.Context(), "thief.aws-iam", metav1.GetOptions{})
	assert.Error(t, err)
}

func TestTheControllersOwnRoleIsNotHandedOut(t *testing.T) {
	w := newWorld(t)
	w.env = append(w.env, "POD_NAMESPACE=kube-system")
	w.start()
	for name, role := range map[string]string{"by-name": w.aws.ControllerRole, "by-arn": w.aws.ControllerARN(), "by-case": strings.ToUpper(w.aws.ControllerRole)} {
		w.account(name, role)
		assert.Contains(t, w.event("ServiceAccount", name, "RoleNotPermitted"), "is the controller's own role", role)
	}
}

func TestPodsThatWaitAreTold(t *testing.T) {
	w := newWorld(t)
	w.start()
	_, err := w.Client().CoreV1().ServiceAccounts(w.namespace).Create(t.Context(),
		&corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Name: "app"}}, metav1.CreateOptions{})
	require.NoError(t, err)
	_, err = w.Client().CoreV1().Pods(w.namespace).Create(t.Context(), &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Name: "waiting"},
		Spec:       corev1.PodSpec{ServiceAccountName: "app", Containers: []corev1.Container{{Name: "c", Image: "i"}}},
	}, metav1.CreateOptions{})
	require.NoError(t, err)
	_, err = w.Kubectl(t.Context(), "annotate", "sa", "app", "-n", w.namespace, "iam.amazonaws.com/role=no-such-role")
	require.NoError(t, err)
	assert.Contains(t, w.event("Pod", "waiting", "GetCredentialsFailed"), "no-such-role")
}

func TestLongServiceAccountNames(t *testing.T) {
	w := newWorld(t)
	w.iamRole("", "app")
	w.start()
	fits, tooLong := strings.Repeat("a", 245), strings.Repeat("b", 246)
	w.account(fits, "app")
	w.secret(fits+".aws-iam", nil)
	w.account(tooLong, "app")
	assert.Contains(t, w.event("ServiceAccount", tooLong, "InvalidAnnotation"), "give the ServiceAccount a shorter name")
}
