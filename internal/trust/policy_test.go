package trust

import (
	"encoding/json"
	"os"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestPolicyIsCompactAndAlwaysTheSame(t *testing.T) {
	got, err := Policy("arn:aws:iam::123456789012:role/infra/controller", "ns/cluster")
	require.NoError(t, err)
	assert.JSONEq(t, `{"Version":"2012-10-17","Statement":[`+
		`{"Effect":"Allow","Principal":{"AWS":"arn:aws:iam::123456789012:role/infra/controller"},"Action":"sts:AssumeRole",`+
		`"Condition":{"StringEquals":{"sts:ExternalId":"ns/cluster"}}},`+
		`{"Effect":"Allow","Principal":{"AWS":"arn:aws:iam::123456789012:role/infra/controller"},"Action":"sts:TagSession"}]}`, got)
}

func TestPolicyIsWhatTheExampleShows(t *testing.T) {
	example, err := os.ReadFile("../../examples/trust-policy.json")
	require.NoError(t, err)
	got, err := Policy("arn:aws:iam::123456789012:role/kube-aws-iam-controller", ExternalID("demo", "demo-cluster"))
	require.NoError(t, err)
	assert.JSONEq(t, string(example), got)
}

func TestWhatIsPutInStaysAValue(t *testing.T) {
	got, err := Policy(`x"},"Action":"*`, `"}}]`)
	require.NoError(t, err)
	var p policy
	require.NoError(t, json.Unmarshal([]byte(got), &p))
	require.Len(t, p.Statement, 2)
	assert.Equal(t, `x"},"Action":"*`, p.Statement[0].Principal.AWS)
	assert.Equal(t, `"}}]`, p.Statement[0].Condition.StringEquals["sts:ExternalId"])
}
