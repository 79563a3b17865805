package convert

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"kube-aws-iam-controller/internal/cli/migrate/manifest"
)

func TestWhatCannotBeConvertedIsLeftAndNamed(t *testing.T) {
	for name, tt := range map[string]struct {
		text string
		// want is the beginning of each message, in order.
		want []string
	}{
		"a role beside policies": {
			"apiVersion: v1\nkind: ServiceAccount\nmetadata: {name: a, annotations: {iam.amazonaws.com/role: r, iam.amazonaws.com/role-policy: '{}'}}\n",
			[]string{"it has both iam.amazonaws.com/role and iam.amazonaws.com/role-policy, which the controller refuses: remove the one that is not used"},
		},
		"an AWSIAMRole of a template": {
			"apiVersion: zalando.org/v1\nkind: AWSIAMRole\nmetadata: {name: '${ROLE}'}\nspec: {roleReference: app}\n---\n" +
				"apiVersion: v1\nkind: Pod\nmetadata: {name: p}\nspec: {volumes: [{name: v, secret: {secretName: '${ROLE}'}}]}\n",
			[]string{`it is left as it is, because its name "${ROLE}" is no name in Kubernetes`},
		},
		"a Namespace of a template": {
			"apiVersion: v1\nkind: Namespace\nmetadata: {name: '${TEAM}', annotations: {iam.amazonaws.com/allowed-roles: '[\"app.*\"]'}}\n",
			[]string{`it is left as it is, because its name "${TEAM}" is no name in Kubernetes`},
		},
		"a name that is none, beside one that Kubernetes completes": {
			"apiVersion: v1\nkind: Pod\nmetadata: {name: app-, annotations: {iam.amazonaws.com/role: r}}\nspec: {}\n---\n" +
				"apiVersion: v1\nkind: Pod\nmetadata: {generateName: App_, annotations: {iam.amazonaws.com/role: r}}\nspec: {}\n",
			[]string{`it is left as it is, because its name "app-" is no name in Kubernetes`, `it is left as it is, because its name "App_" is no name in Kubernetes`},
		},
	} {
		t.Run(name, func(t *testing.T) {
			file := manifest.ReadFile("in", []byte(tt.text))
			result, err := Convert([]*manifest.File{file}, Options{Namespace: "default", RemoveOld: true, Regexp: true})
			require.NoError(t, err)
			assert.Equal(t, tt.text, string(file.Bytes()))
			require.Len(t, result.Findings, len(tt.want), "%v", result.Findings)
			for i, finding := range result.Findings {
				assert.True(t, finding.Open)
				assert.Contains(t, finding.Message, tt.want[i])
			}
		})
	}
}
