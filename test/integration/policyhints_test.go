package integration

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// hints returns the events with hints in the namespace.
func (w *world) hints() []corev1.Event {
	w.t.Helper()
	list, err := w.Client().CoreV1().Events(w.namespace).List(w.t.Context(), metav1.ListOptions{FieldSelector: "reason=PolicyHint"})
	require.NoError(w.t, err)
	return list.Items
}

func TestAPolicyThatAllowsMuchIsInEffectAndHintedAtOnce(t *testing.T) {
	const everything = `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"*","Resource":"*"}]}`
	w := newWorld(t)
	c := w.provisioning()
	w.accountWith("app", map[string]string{policyKey: readBucket})
	secret := w.secret("app.aws-iam", nil)
	assert.Empty(t, w.hints(), "there is nothing about that one")
	w.annotate("app", policyKey+"="+everything)
	secret = w.secret("app.aws-iam", secret)
	assert.Equal(t, policyKey+" is in effect, and may allow more than is meant: statement 1 allows all actions on all resources: name what is needed in Action and Resource",
		w.event("ServiceAccount", "app", "PolicyHint"))

	_, err := c.Stop(t.Context())
	require.NoError(t, err)
	w.provisioning()
	w.renewed(secret)
	w.accountWith("passes", map[string]string{policyKey: `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"iam:PassRole","Resource":"*"}]}`})
	assert.Contains(t, w.event("ServiceAccount", "passes", "PolicyHint"), "statement 1 allows iam:PassRole on all resources")
	hints := w.hints()
	require.Len(t, hints, 2, "a restart and a renewal repeat none")
	for _, hint := range hints {
		assert.Equal(t, corev1.EventTypeNormal, hint.Type)
		assert.Equal(t, int32(1), hint.Count)
	}
}
