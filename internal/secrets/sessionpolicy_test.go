package secrets

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"

	"kube-aws-iam-controller/internal/api"
	"kube-aws-iam-controller/internal/identity"
)

const (
	limitA = `{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"s3:GetObject","Resource":"*"}}`
	limitB = `{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"s3:*","Resource":"*"}}`
)

func TestSessionPolicyIsStored(t *testing.T) {
	for name, source := range bothSources {
		t.Run(name, func(t *testing.T) {
			w, want := newWorld(t), desired(source)
			want.SessionPolicy = limitA
			w.stored(t, want)
			have := w.Observe(want.Key)
			assert.JSONEq(t, limitA, have.SessionPolicy)
			assert.False(t, have.Edited)
			assert.True(t, identity.Covers(have.SpecHash, have.SessionPolicy))

			want.SessionPolicy = ""
			w.stored(t, want)
			assert.NotContains(t, w.api.get("ns", want.SecretName).Annotations, api.SessionPolicyAnnotation)
			assert.Empty(t, w.Observe(want.Key).SessionPolicy)
			assert.False(t, w.Observe(want.Key).Edited)
		})
	}
}

// The field manager of these edits has the name of the controller, so that managedFields
// do not show them.
func TestChangedSessionPolicyIsAnEdit(t *testing.T) {
	for name, tc := range map[string]struct {
		limit string
		edit  func(annotations map[string]string)
	}{
		"removed": {limitA, func(a map[string]string) { delete(a, api.SessionPolicyAnnotation) }},
		"emptied": {limitA, func(a map[string]string) { a[api.SessionPolicyAnnotation] = "" }},
		"changed": {limitA, func(a map[string]string) { a[api.SessionPolicyAnnotation] = limitB }},
		"added":   {"", func(a map[string]string) { a[api.SessionPolicyAnnotation] = limitB }},
		"the hash alone changed": {limitA, func(a map[string]string) {
			a[api.SpecHashAnnotation], _, _ = strings.Cut(a[api.SpecHashAnnotation], "-")
		}},
		"longer than any": {"", func(a map[string]string) {
			huge := identity.Desired{SessionPolicy: strings.Repeat("x", 200_000)}
			a[api.SessionPolicyAnnotation], a[api.SpecHashAnnotation] = huge.SessionPolicy, huge.SpecHash()
		}},
	} {
		t.Run(name, func(t *testing.T) {
			w, want := newWorld(t), desired(identity.ServiceAccount)
			want.SessionPolicy = tc.limit
			w.stored(t, want)
			w.show(t, want, w.api.write(api.ControllerName, want.SecretName, func(s *corev1.Secret) { tc.edit(s.Annotations) }))
			have := w.Observe(want.Key)
			assert.True(t, have.Edited)
			assert.False(t, identity.Covers(have.SpecHash, have.SessionPolicy), "it is no witness of what was issued")
			assert.Less(t, len(have.SessionPolicy), 100, "the cache is not filled")

			_, _, err := w.Apply(t.Context(), want, creds)
			require.NoError(t, err)
			w.show(t, want, w.api.get("ns", want.SecretName))
			assert.Equal(t, tc.limit, w.Observe(want.Key).SessionPolicy)
			assert.False(t, w.Observe(want.Key).Edited, "it is restored")
		})
	}
}

func TestLongestSessionPolicyIsKept(t *testing.T) {
	w, want := newWorld(t), desired(identity.ServiceAccount)
	want.SessionPolicy = strings.Repeat("ÿ", identity.MaxSessionPolicyBytes/2)
	w.stored(t, want)
	assert.Equal(t, want.SessionPolicy, w.Observe(want.Key).SessionPolicy)
}
