package iamprovision

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"kube-aws-iam-controller/internal/api"
	"kube-aws-iam-controller/internal/awssim"
	"kube-aws-iam-controller/internal/identity"
)

// published are policies that well-known controllers document for themselves.
const published = "../identity/testdata/policies/*.json"

func TestPublishedPoliciesCauseNoDrift(t *testing.T) {
	paths, err := filepath.Glob(published)
	require.NoError(t, err)
	require.GreaterOrEqual(t, len(paths), 20)
	for _, path := range paths {
		t.Run(strings.TrimSuffix(filepath.Base(path), ".json"), func(t *testing.T) {
			t.Parallel()
			text, err := os.ReadFile(path)
			require.NoError(t, err)
			policy, err := identity.ParsePolicy(string(text))
			require.NoError(t, err)
			again, err := identity.ParsePolicy(policy)
			require.NoError(t, err)
			assert.Equal(t, policy, again)

			w := newWorld(t)
			p := w.provisioner()
			want := desired(policy)
			role := w.ensure(p, want, "")
			w.unchanged(p, want, role.ID)
			w.replace(string(text))
			w.unchanged(p, want, role.ID)
			w.replace(rewritten(t, policy))
			w.unchanged(p, want, role.ID)

			w.replace(strings.Replace(policy, `"Effect":"Allow"`, `"Effect":"Deny"`, 1))
			differs, err := p.Differs(t.Context(), want, role.ID)
			require.NoError(t, err)
			assert.Equal(t, []string{inlineKind}, differs.Changed, "what differs is seen")
		})
	}
}

// replace replaces the inline policy of app.
func (w *world) replace(policy string) {
	w.t.Helper()
	_, err := w.admin.PutRolePolicy(w.t.Context(), &iam.PutRolePolicyInput{
		RoleName: new(RoleName("prod", app)), PolicyName: new(policyName), PolicyDocument: &policy,
	})
	require.NoError(w.t, err)
}

// unchanged requires that a role matches and nothing is written.
func (w *world) unchanged(p *Provisioner, want identity.Desired, id string) {
	w.t.Helper()
	seen := len(w.Calls())
	differs, err := p.Differs(w.t.Context(), want, id)
	require.NoError(w.t, err)
	assert.Empty(w.t, differs.Changed)
	assert.Empty(w.t, w.ensure(p, want, id).Changed)
	for _, action := range w.calls(&seen) {
		assert.True(w.t, strings.HasPrefix(action, "Get") || strings.HasPrefix(action, "List"), action)
	}
}

// rewritten returns an equivalent policy: lists in another order, single values in
// lists, and lists of one value without.
func rewritten(t *testing.T, policy string) string {
	t.Helper()
	var document any
	require.NoError(t, json.Unmarshal([]byte(policy), &document))
	text, err := json.Marshal(reverse(document))
	require.NoError(t, err)
	require.NotEqual(t, policy, string(text))
	return string(text)
}

func reverse(value any) any {
	switch value := value.(type) {
	case map[string]any:
		for key := range value {
			value[key] = reverse(value[key])
			if s, is := value[key].(string); is && (strings.HasSuffix(key, "Action") || strings.HasSuffix(key, "Resource")) {
				value[key] = []any{s}
			} else if list, is := value[key].([]any); is && len(list) == 1 {
				value[key] = list[0]
			}
		}
	case []any:
		for i := range value {
			value[i] = reverse(value[i])
		}
		slices.Reverse(value)
	}
	return value
}

func TestMaximumNumberOfManagedPolicies(t *testing.T) {
	w := newWorldWith(t, func(o *awssim.Options) { o.PoliciesPerRole = 25 })
	var arns []string
	for i := range 25 {
		arn, err := w.AddManagedPolicy(home, "/", "p"+string(rune('a'+i)), policyA)
		require.NoError(t, err)
		arns = append(arns, arn)
	}
	w.ensure(w.provisioner(), desired("", arns...), "")
	assert.Equal(t, arns, w.state(RoleName("prod", app)).attached)

	w = newWorld(t)
	for i := range 11 {
		_, err := w.AddManagedPolicy(home, "/", "p"+string(rune('a'+i)), policyA)
		require.NoError(t, err)
	}
	_, err := w.provisioner().Ensure(t.Context(), desired("", arns[:11]...), "")
	requireError(t, err, api.ProvisionFailed, "Cannot exceed quota for PoliciesPerRole: 10")
}
