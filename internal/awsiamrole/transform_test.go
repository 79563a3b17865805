package awsiamrole

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/tools/cache"

	"kube-aws-iam-controller/internal/api"
	"kube-aws-iam-controller/internal/identity"
)

func TestTransformDropsWhatIsNeverRead(t *testing.T) {
	role := newRole(Spec{RoleReference: "app"})
	role.ManagedFields = []metav1.ManagedFieldsEntry{{Manager: "kubectl"}}
	role.Annotations = map[string]string{"a": "b"}
	role.OwnerReferences = []metav1.OwnerReference{{Name: "chart"}}
	role.Finalizers = []string{"example.org/wait"}
	want := newRole(Spec{RoleReference: "app"})
	want.TypeMeta, want.omitted = metav1.TypeMeta{}, nothingOmitted
	assert.Equal(t, want, transformed(t, role))
}

func TestLengthOfWhatIsKept(t *testing.T) {
	for name, tc := range map[string]struct{ reference, kept string }{
		"as long as may be": {strings.Repeat("x", 2048), strings.Repeat("x", 2048)},
		"a byte longer":     {strings.Repeat("x", 2049), strings.Repeat("x", 2048) + "…"},
	} {
		assert.Equal(t, tc.kept, transformed(t, newRole(Spec{RoleReference: tc.reference})).Spec.RoleReference, name)
	}
	for length, kept := range map[int]int{2048: 2048, 2049: 0} {
		role := newRole(Spec{RoleReference: "app"})
		role.Status.RoleARN = strings.Repeat("x", length)
		assert.Len(t, transformed(t, role).Status.RoleARN, kept)
	}
	for length, kept := range map[int]int{4096 - len("Reason"): 1, 4097 - len("Reason"): 0} {
		role := newRole(Spec{RoleReference: "app"})
		role.Status.Conditions = []metav1.Condition{{Type: api.ReadyCondition, Reason: "Reason", Message: strings.Repeat("x", length)}}
		assert.Len(t, transformed(t, role).Status.Conditions, kept)
	}
}

func TestOtherConditionsAreNotedWithAndWithoutReady(t *testing.T) {
	ready, other := metav1.Condition{Type: api.ReadyCondition}, metav1.Condition{Type: "Other"}
	for name, tc := range map[string]struct {
		have, kept []metav1.Condition
		noted      bool
	}{
		"none":                {nil, nil, false},
		"ours":                {[]metav1.Condition{ready}, []metav1.Condition{ready}, false},
		"another":             {[]metav1.Condition{other}, nil, true},
		"ours and another":    {[]metav1.Condition{ready, other}, []metav1.Condition{ready}, true},
		"another and a third": {[]metav1.Condition{other, {Type: "Third"}}, nil, true},
	} {
		t.Run(name, func(t *testing.T) {
			role := newRole(Spec{RoleReference: "app"})
			role.Status.Conditions = tc.have
			kept := transformed(t, role)
			assert.Equal(t, tc.kept, kept.Status.Conditions)
			assert.Equal(t, tc.noted, kept.omitted.conditions)
		})
	}
}

func TestChangedSizeOfOmittedLabelsIsReported(t *testing.T) {
	few := newRole(Spec{})
	few.Labels = nil
	before, after := transformed(t, few), transformed(t, withLabels(65, 1))
	assert.Equal(t, before.Labels, after.Labels, "neither has any in the cache")
	assert.False(t, sameRequest(before, after))
	assert.True(t, sameRequest(after, transformed(t, withLabels(65, 1))))
}

func TestSizeOfKeysCountsAsThatOfValues(t *testing.T) {
	role := newRole(Spec{})
	role.Labels = map[string]string{strings.Repeat("k", maxLabelBytes): "", "k": "v"}
	assert.Equal(t, labelSize{2, maxLabelBytes + 2}, transformed(t, role).omittedLabels())
}

func TestKeysCanBeStopped(t *testing.T) {
	s, i, _ := newSource(t)
	for _, name := range []string{"a", "b", "c"} {
		role := newRole(Spec{})
		role.Name = name
		require.NoError(t, i.store.Add(role))
	}
	require.NoError(t, i.store.Add(cache.ExplicitKey("ns/nonsense")))
	count := 0
	for range s.Keys() {
		if count++; count == 2 {
			break
		}
	}
	assert.Equal(t, 2, count)
	var keys []identity.Key
	for key := range s.Keys() {
		keys = append(keys, key)
	}
	assert.Len(t, keys, 3)
}
