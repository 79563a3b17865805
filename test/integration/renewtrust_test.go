package integration

import (
	"context"
	"errors"
	"net/url"
	"os"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"kube-aws-iam-controller/test/kit"
)

// under has the controller run under EKS Pod Identity from its next start on.
func (w *world) under(disableSessionTags bool) {
	w.t.Helper()
	agent, err := w.aws.StartPodIdentity(w.t.TempDir(), disableSessionTags)
	require.NoError(w.t, err)
	w.t.Cleanup(agent.Close)
	w.env = append(agent.Env(w.aws), "POD_NAMESPACE="+kit.Namespace)
}

// trustOf is the trust policy of the role of a Secret's credentials.
func (w *world) trustOf(client *iam.Client, secret *corev1.Secret) string {
	w.t.Helper()
	text, err := url.PathUnescape(*w.ownRole(client, string(secret.Data["role-arn"])).AssumeRolePolicyDocument)
	require.NoError(w.t, err)
	return text
}

// renewed has a Secret's credentials renewed.
func (w *world) renewed(secret *corev1.Secret) *corev1.Secret {
	w.t.Helper()
	require.NoError(w.t, w.Client().CoreV1().Secrets(w.namespace).Delete(w.t.Context(), secret.Name, metav1.DeleteOptions{}))
	return w.secret(secret.Name, secret)
}

func TestARoleOfAVersionBeforeWorksOnAndIsChangedOnceThatBreaksNothing(t *testing.T) {
	w := newWorld(t)
	client := w.admin()
	c := w.provisioning()
	w.accountWith("app", map[string]string{policyKey: readBucket})
	secret := w.secret("app.aws-iam", nil)
	c.Kill()
	name := w.ownRole(client, string(secret.Data["role-arn"])).RoleName
	before, after := w.aws.TrustPolicy(w.namespace+"/test"), w.aws.ManagedTrustPolicy(w.namespace+"/test", w.namespace+".app")
	_, err := client.UpdateAssumeRolePolicy(t.Context(), &iam.UpdateAssumeRolePolicyInput{RoleName: name, PolicyDocument: &before})
	require.NoError(t, err)

	w.under(false)
	c = w.provisioning("--drift-interval=1s")
	assert.Contains(t, w.event("ServiceAccount", "app", "TrustPolicyOutdated"), "aws eks update-pod-identity-association")
	secret = w.renewed(secret)
	assert.JSONEq(t, before, w.trustOf(client, secret), "it would refuse the controller, and the pods would lose what they have")
	log, err := os.ReadFile(w.log)
	require.NoError(t, err)
	assert.Contains(t, string(log), "the controller runs under EKS Pod Identity: unless that was done already")
	c.Kill()

	w.under(true)
	w.provisioning("--drift-interval=1s")
	w.eventually(func(context.Context) error {
		if text := w.trustOf(client, secret); !assert.ObjectsAreEqual(canonical(t, after), canonical(t, text)) {
			return errors.New(text)
		}
		return nil
	})
	assert.Contains(t, w.event("ServiceAccount", "app", "RoleUpdated"), "its trust policy now requires this ServiceAccount's session name")
	w.renewed(secret)
	drift, err := w.Client().CoreV1().Events(w.namespace).List(t.Context(), metav1.ListOptions{FieldSelector: "reason=RoleDriftCorrected"})
	require.NoError(t, err)
	assert.Empty(t, drift.Items, "nobody else changed anything")
}
