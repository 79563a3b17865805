package awsiamrole

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"kube-aws-iam-controller/internal/api"
	"kube-aws-iam-controller/internal/identity"
)

// withLabels returns a role with the given number of labels, whose values have size
// bytes each.
func withLabels(number, size int) *AWSIAMRole {
	role := newRole(Spec{RoleReference: "app"})
	role.Labels = map[string]string{}
	for i := range number {
		role.Labels[fmt.Sprintf("label-%d", 10_000+i)] = strings.Repeat("x", size)
	}
	return role
}

// transformed returns what the cache keeps of a role.
func transformed(t *testing.T, role *AWSIAMRole) *AWSIAMRole {
	t.Helper()
	obj, err := Transform(role)
	require.NoError(t, err)
	kept, ok := obj.(*AWSIAMRole)
	require.True(t, ok)
	return kept
}

func TestCacheSizeIsLimited(t *testing.T) {
	role := withLabels(10_000, 63)
	role.Spec.RoleReference = strings.Repeat("x", 1_000_000)
	role.Status.RoleARN = strings.Repeat("x", 1_000_000)
	for i := range 1000 {
		role.Status.Conditions = append(role.Status.Conditions, metav1.Condition{Type: fmt.Sprint(i), Message: strings.Repeat("x", 30_000)})
	}
	role.Status.Conditions = append(role.Status.Conditions, metav1.Condition{Type: api.ReadyCondition, Message: strings.Repeat("x", 30_000)})
	kept := transformed(t, role)
	text, err := json.Marshal(kept)
	require.NoError(t, err)
	assert.Less(t, len(text), 2500)
	again := transformed(t, kept)
	assert.Same(t, kept, again)
	assert.Equal(t, labelSize{10_000, 740_000}, again.omittedLabels(), "what was made before stays")
}

func TestSessionPolicyInTheCacheIsLimited(t *testing.T) {
	s, i, _ := newSource(t)
	for name, tc := range map[string]struct {
		policy, says string
		most         int
	}{
		"white space costs nothing": {strings.Replace(readOnly, ",", strings.Repeat(" ", 250_000)+",", 1), "", len(readOnly)},
		"short and malformed":       {strings.Repeat("x", 512), "(512 bytes) is not JSON", 512},
		"long and malformed":        {strings.Repeat("x", 250_000), "(250000 bytes) is not JSON", 0},
		"too long":                  {strings.Replace(readOnly, "s3:", "s3:"+strings.Repeat("x", 2048), 1), "and STS takes 2048: shorten it", 0},
	} {
		t.Run(name, func(t *testing.T) {
			kept := transformed(t, newRole(Spec{RoleReference: "app", SessionPolicy: new(tc.policy)}))
			if policy := kept.Spec.SessionPolicy; policy != nil {
				assert.LessOrEqual(t, len(*policy), tc.most)
				assert.NotEmpty(t, *policy)
			}
			assert.Same(t, kept, transformed(t, kept))
			require.NoError(t, i.store.Add(kept))
			_, err := s.Desired(t.Context(), key)
			if tc.says == "" {
				require.NoError(t, err)
				return
			}
			require.ErrorContains(t, err, "spec.sessionPolicy: ")
			require.ErrorContains(t, err, tc.says)
		})
	}
}

func TestOmittedLabelsAreCountedInTheNotice(t *testing.T) {
	s, i, _ := newSource(t)
	for title, test := range map[string]struct {
		number, size int
		says         string
	}{
		"as many as may be":  {64, 10, ""},
		"as large as may be": {64, 117, ""},
		"one too many":       {65, 10, "there are 65 of 1365 bytes, and a Secret is given at most 64 of 8192 bytes. Take some off"},
		"a byte too many":    {64, 118, "there are 64 of 8256 bytes, and a Secret is given at most 64 of 8192 bytes. Take some off"},
	} {
		t.Run(title, func(t *testing.T) {
			require.NoError(t, i.store.Add(transformed(t, withLabels(test.number, test.size))))
			want, err := s.Desired(t.Context(), key)
			require.NotNil(t, want)
			require.NoError(t, err, "it is served, as it always was")
			if test.says == "" {
				assert.Empty(t, want.Notice)
				assert.False(t, want.KeepLabels)
				assert.Len(t, want.Labels, test.number)
				return
			}
			wanted := "The labels are not copied to the Secret: " + test.says
			assert.Equal(t, wanted, want.Notice)
			assert.True(t, want.KeepLabels)
			assert.Empty(t, want.Labels)
			assert.Equal(t, "app", want.Role.Name)
		})
	}
}

func TestWatchReportsChangedLabels(t *testing.T) {
	s, i, _ := newSource(t)
	told := 0
	require.NoError(t, s.Watch(func(identity.Key) { told++ }))
	many, more, few, fewer := transformed(t, withLabels(65, 1)), transformed(t, withLabels(66, 1)), transformed(t, withLabels(64, 1)), transformed(t, withLabels(1, 1))
	i.handlers[0].OnUpdate(many, few)
	assert.Equal(t, 1, told)
	i.handlers[0].OnUpdate(few, fewer)
	assert.Equal(t, 2, told)
	i.handlers[0].OnUpdate(fewer, transformed(t, withLabels(1, 1)))
	assert.Equal(t, 2, told, "the same ask for nothing")
	i.handlers[0].OnUpdate(fewer, more)
	assert.Equal(t, 3, told)
}

func TestOtherConditionsAreKeptButNotCached(t *testing.T) {
	s, i, apiServer := newSource(t)
	role := newRole(Spec{RoleReference: "app"})
	role.Status.Conditions = []metav1.Condition{{Type: "Other", Status: metav1.ConditionTrue, Reason: "Old"}, {Type: api.ReadyCondition, Reason: "Is"}}
	live, ok := role.DeepCopyObject().(*AWSIAMRole)
	require.True(t, ok)
	live.Status.Conditions[0].Reason = "New"
	kept := transformed(t, role)
	assert.Equal(t, []metav1.Condition{{Type: api.ReadyCondition, Reason: "Is"}}, kept.Status.Conditions)
	require.NoError(t, i.store.Add(kept))
	want := identity.Desired{Key: key, UID: "u1", Generation: 3}
	apiServer.answer(http.StatusOK, live)
	require.NoError(t, s.Report(t.Context(), want, identity.Status{Generation: 3, Reason: "Was"}))
	require.Len(t, apiServer.paths, 2)
	assert.Equal(t, "GET /apis/zalando.org/v1/namespaces/ns/awsiamroles/app", apiServer.paths[0])
	assert.Contains(t, apiServer.bodies[1], `{"type":"Other","status":"True","lastTransitionTime":null,"reason":"New","message":""}`)
	assert.Contains(t, apiServer.bodies[1], `"reason":"Was"`)

	apiServer.answer(http.StatusInternalServerError, failure(http.StatusInternalServerError, metav1.StatusReasonInternalError))
	require.ErrorContains(t, s.Report(t.Context(), want, identity.Status{Generation: 3, Reason: "Was"}), "read status of AWSIAMRole ns/app: ")
	apiServer.answer(http.StatusNotFound, failure(http.StatusNotFound, metav1.StatusReasonNotFound))
	require.NoError(t, s.Report(t.Context(), want, identity.Status{Generation: 3, Reason: "Was"}))
	for _, path := range apiServer.paths[2:] {
		assert.True(t, strings.HasPrefix(path, "GET "), "nothing is written over what is not known: %s", path)
	}
}
