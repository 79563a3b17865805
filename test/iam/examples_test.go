package iam

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	"kube-aws-iam-controller/internal/identity"
	"sigs.k8s.io/yaml"

	"kube-aws-iam-controller/test/cluster"
)

// grant is as much of a policy as tells which actions it allows.
type grant struct {
	Statement []struct {
		Action oneOrMore `json:"Action"`
	} `json:"Statement"`
}

// oneOrMore is a string or a list of them.
type oneOrMore []string

func (o *oneOrMore) UnmarshalJSON(text []byte) error {
	if strings.HasPrefix(string(text), `"`) {
		*o = make(oneOrMore, 1)
		return json.Unmarshal(text, &(*o)[0])
	}
	return json.Unmarshal(text, (*[]string)(o))
}

func actions(t *testing.T, policy string) (all []string) {
	t.Helper()
	var g grant
	require.NoError(t, json.Unmarshal([]byte(policy), &g))
	for _, s := range g.Statement {
		all = append(all, s.Action...)
	}
	require.NotEmpty(t, all)
	return all
}

func TestTheExamplesAskForWhatTheyCanHave(t *testing.T) {
	root, err := cluster.Root()
	require.NoError(t, err)
	files, err := filepath.Glob(filepath.Join(root, "examples", "serviceaccount*.yaml"))
	require.NoError(t, err)
	require.Greater(t, len(files), 5)
	bounds := actions(t, example(t, "iam", "permissions-boundary.json"))
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			content, err := os.ReadFile(file)
			require.NoError(t, err)
			var account corev1.ServiceAccount
			require.NoError(t, yaml.UnmarshalStrict(content, &account))
			if managed, has := account.Annotations["iam.amazonaws.com/managed-policies"]; has {
				_, err = identity.ParseManagedPolicies(managed)
				require.NoError(t, err)
			}
			text, has := account.Annotations["iam.amazonaws.com/role-policy"]
			if !has {
				return
			}
			_, err = identity.ParsePolicy(text)
			require.NoError(t, err)
			for _, action := range actions(t, text) {
				assert.True(t, slices.ContainsFunc(bounds, func(bound string) bool {
					matches, err := filepath.Match(bound, action)
					return err == nil && matches
				}), "%s is outside the boundary", action)
			}
		})
	}
}
