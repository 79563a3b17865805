package convert

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"kube-aws-iam-controller/internal/cli/migrate/manifest"
)

// The controller cannot read what would take the place of the old annotations.
func TestNothingIsTakenOffBesideAMalformedRole(t *testing.T) {
	const malformed = `apiVersion: v1
kind: ServiceAccount
metadata:
  name: app
  namespace: team-a
  annotations:
    iam.amazonaws.com/role: "[not a role]"
    eks.amazonaws.com/role-arn: arn:aws:iam::123456789012:role/app
---
apiVersion: v1
kind: ServiceAccount
metadata: {name: batch, namespace: team-a, annotations: {iam.amazonaws.com/role: "[nor this]"}}
---
apiVersion: v1
kind: Pod
metadata:
  name: batch
  namespace: team-a
  annotations: {iam.amazonaws.com/role: batch-role}
spec: {serviceAccountName: batch}
`
	file := manifest.ReadFile("in", []byte(malformed))
	result, err := Convert([]*manifest.File{file}, Options{Namespace: "default", RemoveOld: true})
	require.NoError(t, err)
	assert.Equal(t, malformed, string(file.Bytes()))
	assert.Empty(t, result.Accounts, "the plan has nothing to roll out")
	require.Len(t, result.Findings, 4)
	for i, want := range []string{
		`in:1: ServiceAccount team-a/app: iam.amazonaws.com/role: "[not a role]"`,
		"in:1: ServiceAccount team-a/app: nothing of arn:aws:iam::123456789012:role/app by IRSA is converted until iam.amazonaws.com/role of the ServiceAccount team-a/app is corrected",
		`in:10: ServiceAccount team-a/batch: iam.amazonaws.com/role: "[nor this]"`,
		"in:19: Pod team-a/batch: nothing of batch-role by kube2iam or kiam is converted until iam.amazonaws.com/role of the ServiceAccount team-a/batch is corrected",
	} {
		assert.True(t, result.Findings[i].Open)
		assert.Contains(t, result.Findings[i].String(), want)
	}
}
