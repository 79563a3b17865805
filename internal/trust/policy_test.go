package trust

import (
	"encoding/json"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestPolicyIsDeterministic(t *testing.T) {
	got, err := Policy("arn:aws:iam::123456789012:role/infra/controller", "ns/cluster", "")
	require.NoError(t, err)
	assert.JSONEq(t, `{"Version":"2012-10-17","Statement":[`+
		`{"Effect":"Allow","Principal":{"AWS":"arn:aws:iam::123456789012:role/infra/controller"},"Action":"sts:AssumeRole",`+
		`"Condition":{"StringEquals":{"sts:ExternalId":"ns/cluster"}}},`+
		`{"Effect":"Allow","Principal":{"AWS":"arn:aws:iam::123456789012:role/infra/controller"},"Action":"sts:TagSession"}]}`, got)
}

func TestPolicyMatchesTheExample(t *testing.T) {
	example, err := os.ReadFile("../../examples/trust-policy.json")
	require.NoError(t, err)
	got, err := Policy("arn:aws:iam::123456789012:role/kube-aws-iam-controller", ExternalID("demo", "demo-cluster"), "")
	require.NoError(t, err)
	assert.JSONEq(t, string(example), got)
}

func TestPolicyEscapesItsArguments(t *testing.T) {
	got, err := Policy(`x"},"Action":"*`, `"}}]`, `"}}]`)
	require.NoError(t, err)
	var p policy
	require.NoError(t, json.Unmarshal([]byte(got), &p))
	require.Len(t, p.Statement, 2)
	assert.Equal(t, `x"},"Action":"*`, p.Statement[0].Principal.AWS)
	assert.Equal(t, map[string]any{"sts:ExternalId": `"}}]`, "sts:RoleSessionName": `"}}]`}, p.Statement[0].Condition.StringEquals)
}

func TestSharedPolicyNamesSessions(t *testing.T) {
	const controller = "arn:aws:iam::123456789012:role/c"
	got, err := SharedPolicy(controller, "ns/cluster", []string{"ns.app", "ns.web"}, SourceIdentity)
	require.NoError(t, err)
	whole, err := Policy(controller, "ns/cluster", "ns.app", SourceIdentity)
	require.NoError(t, err)
	assert.Equal(t, strings.Replace(whole, `"ns.app"`, `["ns.app","ns.web"]`, 1), got)
	for session, want := range map[string]string{"ns.app": "", "ns.web": "", "ns.other": "it demands the sts:RoleSessionName ns.app, ns.web, and the controller presents ns.other"} {
		assert.Equal(t, want, Missing(got, controller, "ns/cluster", session))
	}
	got, err = SharedPolicy(controller, "ns/cluster", []string{"ns.app"}, SourceIdentity)
	require.NoError(t, err)
	assert.Equal(t, whole, got)
	_, err = SharedPolicy(controller, "ns/cluster", nil)
	require.Error(t, err, "nobody is not everybody")
}

func TestManagedPolicy(t *testing.T) {
	const controller = `"Effect":"Allow","Principal":{"AWS":"arn:aws:iam::123456789012:role/infra/controller"},"Action":"sts:`
	demands := `AssumeRole","Condition":{"StringEquals":{"sts:ExternalId":"ns/cluster","sts:RoleSessionName":"ns.app"}`
	got, err := Policy("arn:aws:iam::123456789012:role/infra/controller", "ns/cluster", "ns.app")
	require.NoError(t, err)
	assert.Equal(t, `{"Version":"2012-10-17","Statement":[{`+controller+demands+`}},{`+controller+`TagSession"}]}`, got)
	got, err = ManagedPolicy("arn:aws:iam::123456789012:role/infra/controller", "ns/cluster", "ns.app")
	require.NoError(t, err)
	assert.Equal(t, `{"Version":"2012-10-17","Statement":[{`+controller+demands+
		`,"Null":{"aws:PrincipalTag/kubernetes-pod-uid":"true"}}},{`+controller+`TagSession"}]}`, got)
}

func TestPoliciesMayAcceptASourceIdentity(t *testing.T) {
	for _, render := range []func(string, string, string, ...string) (string, error){Policy, ManagedPolicy} {
		without, err := render("arn:aws:iam::123456789012:role/c", "ns/cluster", "ns.app")
		require.NoError(t, err)
		got, err := render("arn:aws:iam::123456789012:role/c", "ns/cluster", "ns.app", SourceIdentity)
		require.NoError(t, err)
		assert.Equal(t, strings.Replace(without, `"sts:TagSession"`, `["sts:TagSession","sts:SetSourceIdentity"]`, 1), got)
	}
}

func TestLongestManagedPolicyFitsTheQuota(t *testing.T) {
	principal := "arn:aws-us-gov:iam::123456789012:role/" + strings.Repeat("p", 510) + "/" + strings.Repeat("r", 64)
	got, err := ManagedPolicy(principal, ExternalID(strings.Repeat("n", 63), strings.Repeat("c", 100)), strings.Repeat("s", 64), SourceIdentity)
	require.NoError(t, err)
	assert.LessOrEqual(t, len(got), 2048)
}
