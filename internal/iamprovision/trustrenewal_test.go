package iamprovision

import (
	"errors"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// legacyTrustPolicy is the trust policy of earlier versions, formatted as IAM may
// return it.
const legacyTrustPolicy = `{"Version": "2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":["arn:aws:iam::123456789012:role/infra/controller"]},` +
	`"Action":["sts:AssumeRole"],"Condition":{"StringEquals":{"sts:ExternalId":["team/prod"]}}},` +
	`{"Effect":"Allow","Principal":{"AWS":"arn:aws:iam::123456789012:role/infra/controller"},"Action":"sts:TagSession"}]}`

// setTrust sets the trust policy of a role.
func (w *world) setTrust(role, policy string) {
	w.t.Helper()
	_, err := w.admin.UpdateAssumeRolePolicy(w.t.Context(), &iam.UpdateAssumeRolePolicyInput{RoleName: &role, PolicyDocument: &policy})
	require.NoError(w.t, err)
}

func TestLegacyTrustPolicyIsUpgradedWithoutDrift(t *testing.T) {
	w := newWorld(t)
	p := w.provisioner()
	role := w.ensure(p, desired(policyA), "")
	w.setTrust(role.ARN.Name, legacyTrustPolicy)
	assert.Empty(t, w.asked, "of a new role nothing is asked")

	seen := len(w.Calls())
	found, err := p.Differs(t.Context(), desired(policyA), role.ID)
	require.NoError(t, err)
	assert.True(t, found.TrustRenewed)
	assert.Empty(t, found.Changed)
	assert.Empty(t, w.writes(&seen), "to look is to write nothing")
	require.Len(t, w.asked, 1)
	assert.Equal(t, role.ARN, w.asked[0].Role, "the role that trusts the controller whatever its session carries")
	assert.Equal(t, "team/prod", w.asked[0].ExternalID)

	again := w.ensure(p, desired(policyA), role.ID)
	assert.True(t, again.TrustRenewed)
	assert.Empty(t, again.Changed)
	assert.Empty(t, again.TrustOutdated)
	assert.Equal(t, []string{"UpdateAssumeRolePolicy"}, w.writes(&seen))
	assert.JSONEq(t, trustOfApp, w.state(role.ARN.Name).trust)

	before := len(w.asked)
	found, err = p.Differs(t.Context(), desired(policyA), role.ID)
	require.NoError(t, err)
	assert.False(t, found.TrustRenewed)
	assert.Len(t, w.asked, before, "that is asked only while the trust policy is of the form before")
}

func TestLegacyTrustPolicyIsKeptIfTheNewOneDeniesTheController(t *testing.T) {
	for name, tell := range map[string]func(*world){
		"its session carries tags": func(w *world) { w.carries = "disable session tags" },
		"STS does not tell":        func(w *world) { w.carriesErr = errors.New("STS is away") },
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			p := w.provisioner()
			role := w.ensure(p, desired(policyA), "")
			w.setTrust(role.ARN.Name, legacyTrustPolicy)
			tell(w)
			seen := len(w.Calls())
			found, err := p.Differs(t.Context(), desired(policyA), role.ID)
			require.NoError(t, err)
			assert.Empty(t, found.Changed)
			assert.False(t, found.TrustRenewed)
			assert.Contains(t, found.TrustOutdated, w.carries)
			assert.Contains(t, found.TrustOutdated, role.ARN.String())

			again := w.ensure(p, desired(policyB), role.ID)
			assert.Equal(t, []string{inlineKind}, again.Changed, "what is asked for is done all the same")
			assert.False(t, again.TrustRenewed)
			assert.NotEmpty(t, again.TrustOutdated)
			assert.Equal(t, []string{"PutRolePolicy"}, w.writes(&seen))
			assert.JSONEq(t, legacyTrustPolicy, w.state(role.ARN.Name).trust)

			w.carries, w.carriesErr = "", nil
			assert.True(t, w.ensure(p, desired(policyB), role.ID).TrustRenewed)
			assert.JSONEq(t, trustOfApp, w.state(role.ARN.Name).trust)
		})
	}
}

func TestSimilarTrustPolicyIsDrift(t *testing.T) {
	w := newWorld(t)
	w.carries = "disable session tags"
	p := w.provisioner()
	role := w.ensure(p, desired(policyA), "")
	for name, policy := range map[string]string{
		"another external ID": strings.Replace(legacyTrustPolicy, "team/prod", "evil/prod", 1),
		"one more":            strings.Replace(legacyTrustPolicy, `["team/prod"]`, `["team/prod","evil/prod"]`, 1),
		"no condition":        strings.Replace(legacyTrustPolicy, `,"Condition":{"StringEquals":{"sts:ExternalId":["team/prod"]}}`, "", 1),
		"another session":     strings.Replace(trustOfApp, "team.app", "team.other", 1),
		"no tag refused":      strings.Replace(trustOfApp, `,"Null":{"aws:PrincipalTag/kubernetes-pod-uid":"true"}`, "", 1),
		"somebody else":       strings.Replace(legacyTrustPolicy, `controller"]}`, `controller","123456789012"]}`, 1),
	} {
		t.Run(name, func(t *testing.T) {
			w.setTrust(role.ARN.Name, policy)
			found, err := p.Differs(t.Context(), desired(policyA), role.ID)
			require.NoError(t, err)
			assert.Equal(t, []string{trustKind}, found.Changed)
			again := w.ensure(p, desired(policyA), role.ID)
			assert.Equal(t, []string{trustKind}, again.Changed)
			assert.False(t, again.TrustRenewed)
			assert.JSONEq(t, trustOfApp, w.state(role.ARN.Name).trust)
		})
	}
	assert.Empty(t, w.asked)
}

func TestFailedTrustUpgradeIsNotReported(t *testing.T) {
	w := newWorld(t)
	p := w.provisioner()
	role := w.ensure(p, desired(policyA), "")
	w.setTrust(role.ARN.Name, legacyTrustPolicy)
	_, err := w.admin.PutRolePolicy(t.Context(), &iam.PutRolePolicyInput{RoleName: new("controller"), PolicyName: new("no"), PolicyDocument: new(
		`{"Version":"2012-10-17","Statement":{"Effect":"Deny","Action":"iam:UpdateAssumeRolePolicy","Resource":"*"}}`)})
	require.NoError(t, err)
	got, err := p.Ensure(t.Context(), desired(policyA), role.ID)
	require.ErrorContains(t, err, "AccessDenied")
	assert.False(t, got.TrustRenewed)
}
