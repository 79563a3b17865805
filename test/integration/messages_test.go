package integration

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"kube-aws-iam-controller/test/kit"
)

// patient is a controller that waits for new roles for longer than a test lasts: what it tells, it did not wait with.
const patient = "--role-ready-timeout=1h"

func TestAManagedPolicyThatDoesNotExistIsToldWhileNewRolesAreWaitedFor(t *testing.T) {
	w := newWorld(t)
	w.provisioning(patient)
	const nobody = "arn:aws:iam::" + kit.AccountID + ":policy/nobody"
	w.accountWith("app", map[string]string{policyKey: readBucket, managedKey: nobody})
	message := w.event("ServiceAccount", "app", "ProvisionFailed")
	assert.Contains(t, message, "Failed to provision role '"+w.namespace+".app-")
	assert.Contains(t, message, "NoSuchEntity: Policy "+nobody+" does not exist or is not attachable; correct iam.amazonaws.com/managed-policies")

	_, err := w.aws.AddManagedPolicy(kit.AccountID, "/", "nobody", readBucket)
	require.NoError(t, err)
	w.secret("app.aws-iam", nil)
}

func TestABoundaryThatDoesNotExistIsTheAdministrators(t *testing.T) {
	w := newWorld(t)
	// The boundary may be created with, by the controller's policy, and is not there.
	w.aws.RemoveManagedPolicy(kit.AccountID, w.aws.Boundary)
	w.provisioning(patient)
	w.accountWith("app", map[string]string{policyKey: readBucket})
	assert.Contains(t, w.event("ServiceAccount", "app", "ProvisionFailed"),
		"Scope ARN: "+w.aws.Boundary+" does not exist or is not attachable; this is the controller's --permissions-boundary: its administrator has to create the policy or correct the flag")
}

func TestADeniedRoleIsExplainedInItsEvent(t *testing.T) {
	w := newWorld(t)
	w.start("--controller-role-arn=" + w.aws.ControllerARN())
	w.account("app", "no-such-role")
	message := w.event("ServiceAccount", "app", "GetCredentialsFailed")
	assert.True(t, strings.HasPrefix(message, "Failed to get credentials for role 'no-such-role': AccessDenied: "), message)
	for _, part := range []string{
		"the role arn:aws:iam::" + kit.AccountID + ":role/no-such-role does not exist in account " + kit.AccountID,
		"or does not trust " + w.aws.ControllerARN() + " (this controller)",
		`under the external ID "` + w.namespace + `/test"`,
		"'kube-aws-iam-controller trust-policy " + w.namespace + " --cluster-name=test --controller-role-arn=" + w.aws.ControllerARN() + "'",
		"is not authorized to perform: sts:AssumeRole",
	} {
		assert.Contains(t, message, part)
	}
}

func TestAControllerWithoutCredentialsSaysSoOnWhatItCannotServe(t *testing.T) {
	w := newWorld(t)
	w.env = w.aws.EndpointEnv()
	w.start()
	w.account("app", "app")
	message := w.event("ServiceAccount", "app", "GetCredentialsFailed")
	assert.Contains(t, message, "Failed to get credentials for role 'app': ask AWS who the controller is: the controller itself has no AWS credentials: none are in the environment")
	assert.Contains(t, message, "give its ServiceAccount an EKS Pod Identity association or an IRSA role, or set --credentials-file")
}

func TestAProxyThatAnswersForAWSIsToldFromAWS(t *testing.T) {
	w := newWorld(t)
	proxy := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, _ *http.Request) {
		http.Error(rw, "<html><body>nobody may read this</body></html>", http.StatusServiceUnavailable)
	}))
	t.Cleanup(proxy.Close)
	w.env = append(w.aws.ControllerEnv(), "AWS_ENDPOINT_URL_STS="+proxy.URL, "AWS_MAX_ATTEMPTS=1")
	w.start()
	w.account("app", "app")
	message := w.event("ServiceAccount", "app", "GetCredentialsFailed")
	assert.Contains(t, message, "the answer did not come from AWS: HTTP status 503 from "+strings.TrimPrefix(proxy.URL, "http://"))
	assert.NotContains(t, message, "nobody may read this")
}
