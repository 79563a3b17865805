package iamprovision

import (
	"errors"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// trustBefore is what versions before wrote, spelt as IAM may give it back.
const trustBefore = `{"Version": "2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":["arn:aws:iam::123456789012:role/infra/controller"]},` +
	`"Action":["sts:AssumeRole"],"Condition":{"StringEquals":{"sts:ExternalId":["team/prod"]}}},` +
	`{"Effect":"Allow","Principal":{"AWS":"arn:aws:iam::123456789012:role/infra/controller"},"Action":"sts:TagSession"}]}`

// trust gives the role of app another trust policy.
func (w *world) trust(role, policy string) {
	w.t.Helper()
	_, err := w.admin.UpdateAssumeRolePolicy(w.t.Context(), &iam.UpdateAssumeRolePolicyInput{RoleName: &role, PolicyDocument: &policy})
	require.NoError(w.t, err)
}

func TestLegacyTrustPolicyIsUpgradedWithoutDrift(t *testing.T) {
	w := newWorld(t)
	p := w.provisioner()
	role := w.made(p, wanted(policyA), "")
	w.trust(role.ARN.Name, trustBefore)
	assert.Empty(t, w.asked, "of a new role nothing is asked")

	seen := len(w.Calls())
	found, err := p.Differs(t.Context(), wanted(policyA), role.ID)
	require.NoError(t, err)
	assert.True(t, found.Renewed)
	assert.Empty(t, found.Changed)
	assert.Empty(t, w.writes(&seen), "to look is to write nothing")
	require.Len(t, w.asked, 1)
	assert.Equal(t, role.ARN, w.asked[0].Role, "the role that trusts the controller whatever its session carries")
	assert.Equal(t, "team/prod", w.asked[0].ExternalID)

	again := w.made(p, wanted(policyA), role.ID)
	assert.True(t, again.Renewed)
	assert.Empty(t, again.Changed)
	assert.Empty(t, again.Kept)
	assert.Equal(t, []string{"UpdateAssumeRolePolicy"}, w.writes(&seen))
	assert.JSONEq(t, trustOfApp, w.look(role.ARN.Name).trust)

	before := len(w.asked)
	found, err = p.Differs(t.Context(), wanted(policyA), role.ID)
	require.NoError(t, err)
	assert.False(t, found.Renewed)
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
			role := w.made(p, wanted(policyA), "")
			w.trust(role.ARN.Name, trustBefore)
			tell(w)
			seen := len(w.Calls())
			found, err := p.Differs(t.Context(), wanted(policyA), role.ID)
			require.NoError(t, err)
			assert.Empty(t, found.Changed)
			assert.False(t, found.Renewed)
			assert.Contains(t, found.Kept, w.carries)
			assert.Contains(t, found.Kept, role.ARN.String())

			again := w.made(p, wanted(policyB), role.ID)
			assert.Equal(t, []string{inlineKind}, again.Changed, "what is asked for is done all the same")
			assert.False(t, again.Renewed)
			assert.NotEmpty(t, again.Kept)
			assert.Equal(t, []string{"PutRolePolicy"}, w.writes(&seen))
			assert.JSONEq(t, trustBefore, w.look(role.ARN.Name).trust)

			w.carries, w.carriesErr = "", nil
			assert.True(t, w.made(p, wanted(policyB), role.ID).Renewed)
			assert.JSONEq(t, trustOfApp, w.look(role.ARN.Name).trust)
		})
	}
}

func TestSimilarTrustPolicyIsDrift(t *testing.T) {
	w := newWorld(t)
	w.carries = "disable session tags"
	p := w.provisioner()
	role := w.made(p, wanted(policyA), "")
	for name, policy := range map[string]string{
		"another external ID": strings.Replace(trustBefore, "team/prod", "evil/prod", 1),
		"one more":            strings.Replace(trustBefore, `["team/prod"]`, `["team/prod","evil/prod"]`, 1),
		"no condition":        strings.Replace(trustBefore, `,"Condition":{"StringEquals":{"sts:ExternalId":["team/prod"]}}`, "", 1),
		"another session":     strings.Replace(trustOfApp, "team.app", "team.other", 1),
		"no tag refused":      strings.Replace(trustOfApp, `,"Null":{"aws:PrincipalTag/kubernetes-pod-uid":"true"}`, "", 1),
		"somebody else":       strings.Replace(trustBefore, `controller"]}`, `controller","123456789012"]}`, 1),
	} {
		t.Run(name, func(t *testing.T) {
			w.trust(role.ARN.Name, policy)
			found, err := p.Differs(t.Context(), wanted(policyA), role.ID)
			require.NoError(t, err)
			assert.Equal(t, []string{trustKind}, found.Changed)
			again := w.made(p, wanted(policyA), role.ID)
			assert.Equal(t, []string{trustKind}, again.Changed)
			assert.False(t, again.Renewed)
			assert.JSONEq(t, trustOfApp, w.look(role.ARN.Name).trust)
		})
	}
	assert.Empty(t, w.asked)
}

func TestFailedTrustUpgradeIsNotReported(t *testing.T) {
	w := newWorld(t)
	p := w.provisioner()
	role := w.made(p, wanted(policyA), "")
	w.trust(role.ARN.Name, trustBefore)
	_, err := w.admin.PutRolePolicy(t.Context(), &iam.PutRolePolicyInput{RoleName: new("controller"), PolicyName: new("no"), PolicyDocument: new(
		`{"Version":"2012-10-17","Statement":{"Effect":"Deny","Action":"iam:UpdateAssumeRolePolicy","Resource":"*"}}`)})
	require.NoError(t, err)
	got, err := p.Ensure(t.Context(), wanted(policyA), role.ID)
	require.ErrorContains(t, err, "AccessDenied")
	assert.False(t, got.Renewed)
}
