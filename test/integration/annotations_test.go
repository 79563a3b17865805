package integration

import (
	"net/url"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

func TestAPolicyWithAnElementThatIAMDoesNotKnowChangesNothing(t *testing.T) {
	w := newWorld(t)
	client := w.admin()
	w.aws.SetSession(8 * time.Second)
	w.provisioning()
	w.accountWith("app", map[string]string{policyKey: readBucket})
	secret := w.secret("app.aws-iam", nil)
	name := w.ownRole(client, string(secret.Data["role-arn"])).RoleName
	writes := w.iamWrites()

	w.annotate("app", policyKey+`={"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"s3:GetObject","Resource":"arn:aws:s3:::bucket/*",`+
		`"Conditions":{"IpAddress":{"aws:SourceIp":"10.0.0.0/8"}}}]}`)
	assert.Equal(t, policyKey+`: statement 1 has "Conditions", which is not an element of a statement: write Condition`,
		w.event("ServiceAccount", "app", "InvalidAnnotation"), "whoever adds it believes that access is restricted")
	w.secret("app.aws-iam", secret)
	assert.Equal(t, writes, w.iamWrites())
	policy, err := client.GetRolePolicy(t.Context(), &iam.GetRolePolicyInput{RoleName: name, PolicyName: new("kube-aws-iam-controller")})
	require.NoError(t, err)
	text, err := url.PathUnescape(*policy.PolicyDocument)
	require.NoError(t, err)
	assert.JSONEq(t, readBucket, text)
}

func TestAnnotationsThatNobodyReadsAreSaid(t *testing.T) {
	w := newWorld(t)
	w.iamRole("", "app")
	c := w.start()
	for name, test := range map[string]struct {
		annotations map[string]string
		says        string
	}{
		"plural": {map[string]string{"iam.amazonaws.com/roles": "app"}, "iam.amazonaws.com/roles is not known and has no effect: did you mean iam.amazonaws.com/role?"},
		"alone":  {map[string]string{"iam.amazonaws.com/session-duration": "1h"}, "nothing asks for a role, so iam.amazonaws.com/session-duration has no effect: add iam.amazonaws.com/role"},
		"eks":    {map[string]string{"eks.amazonaws.com/role-arn": "arn:aws:iam::123456789012:role/app"}, "eks.amazonaws.com/role-arn is not read by this controller"},
		"arn":    {map[string]string{"iam.amazonaws.com/role-arn": "arn:aws:iam::123456789012:role/app"}, "to use that role, give it in iam.amazonaws.com/role"},
		"beside": {map[string]string{"iam.amazonaws.com/role": "app", "iam.amazonaws.com/session_duration": "2h"}, "did you mean iam.amazonaws.com/session-duration?"},
	} {
		w.accountWith(name, test.annotations)
		assert.Contains(t, w.event("ServiceAccount", name, "UnknownAnnotation"), test.says)
	}
	w.secret("beside.aws-iam", nil)
	body, err := c.Get(t.Context(), "/metrics")
	require.NoError(t, err)
	for _, state := range []string{"degraded", "failed", "pending"} {
		assert.Contains(t, body, `identities{source="serviceaccount",state="`+state+`"} 0`, "what asks for nothing is no identity")
	}
}

func TestNoRoleIsMadeOrDeletedBesideAMisspeltDeletionPolicy(t *testing.T) {
	w := newWorld(t)
	client := w.admin()
	w.provisioning()
	w.accountWith("never", map[string]string{policyKey: readBucket, "iam.amazonaws.com/deletion_policy": "Retain"})
	assert.Contains(t, w.event("ServiceAccount", "never", "UnknownAnnotation"), "iam.amazonaws.com/deletion_policy is not known and may be a misspelling of iam.amazonaws.com/deletion-policy")
	assert.Empty(t, w.iamWrites())

	w.accountWith("app", map[string]string{policyKey: readBucket})
	arn := string(w.secret("app.aws-iam", nil).Data["role-arn"])
	writes := w.iamWrites()
	w.annotate("app", policyKey+"="+sendQueue, "iam.amazonaws.com/deletionPolicy=Retain")
	assert.Contains(t, w.event("ServiceAccount", "app", "UnknownAnnotation"), "until then no role is created or changed, and an existing one is not deleted")
	assert.Equal(t, writes, w.iamWrites())
	_, err := w.Kubectl(t.Context(), "delete", "serviceaccount", "app", "-n", w.namespace)
	require.NoError(t, err)
	role := w.ownRole(client, arn)
	assert.Equal(t, "true", tagOf(role, "retained"))
	assert.Equal(t, w.namespace, tagOf(role, "kubernetes-namespace"), "the same ServiceAccount, come back, has it again")
}

func TestWhatIsOnlyAroundAValueIsNoPartOfIt(t *testing.T) {
	w := newWorld(t)
	arn := w.iamRole("team/", "app")
	w.start()
	w.accountWith("app", map[string]string{
		"iam.amazonaws.com/role": "/team/app\n", "iam.amazonaws.com/session-duration": " 1h", "iam.amazonaws.com/delivery": "endpoint ",
		"iam.amazonaws.com/region": "\u00a0eu-central-1\r\n", "iam.amazonaws.com/deletion-policy": "Delete\n",
	})
	assert.Equal(t, arn, string(w.secret("app.aws-iam", nil).Data["role-arn"]))
}

func TestAMisspeltRuleIsSaidOnItsNamespace(t *testing.T) {
	w := newWorld(t)
	w.iamRole("", "app")
	w.start()
	w.account("app", "app")
	before := w.secret("app.aws-iam", nil)
	w.rule(`allowed-role=["other"]`)
	w.eventSays("Namespace", w.namespace, "UnknownAnnotation", "did you mean iam.amazonaws.com/allowed-roles?")
	after, err := w.Client().CoreV1().Secrets(w.namespace).Get(t.Context(), "app.aws-iam", metav1.GetOptions{})
	require.NoError(t, err, "and takes nothing from running pods")
	assert.Equal(t, before.UID, after.UID)
}

func TestAnAWSIAMRoleTakesNoServiceAccountsSecret(t *testing.T) {
	w := newWorld(t)
	w.iamRole("", "app")
	w.start()
	w.role("app.aws-iam", "", "roleReference: app")
	assert.Contains(t, w.event("AWSIAMRole", "app.aws-iam", "SecretConflict"), "is reserved for the Secret of a ServiceAccount app")
	w.account("app", "app")
	assert.Equal(t, "serviceaccount", w.secret("app.aws-iam", nil).Labels["iam.amazonaws.com/source"])
}
