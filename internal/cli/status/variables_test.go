package status

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"kube-aws-iam-controller/internal/api"
)

// statusOf returns the status of a ServiceAccount with annotations and of the role team/app.
func statusOf(t *testing.T, s settings, annotations map[string]string) Identity {
	t.Helper()
	object := account()
	object.Annotations = annotations
	all := derive(objects{accountsKind: {object}, secretsKind: {secret(50 * time.Minute)}}, unseen{}, s, now)
	require.Len(t, all, 1)
	return all[0]
}

func TestStatusOfVariables(t *testing.T) {
	s := settingsFor(t, controllerOf("prod"))
	s.installed[0].Config.BaseRoleARN = "arn:aws:iam::123456789012:role/"
	byVariables := map[string]string{api.RoleAnnotation: "arn:$(partition):iam::$(account):role/team/$(serviceaccount)"}
	got := statusOf(t, s, byVariables)
	assert.Equal(t, Ready, got.State, "the credentials are for the same")
	assert.Nil(t, got.LastError)

	got = statusOf(t, s, map[string]string{api.RoleAnnotation: "$(namespce)"})
	assert.Equal(t, Refused, got.State)
	assert.Contains(t, got.LastError.Message, `the variable "$(namespce)" is not known`)

	got = statusOf(t, s, map[string]string{api.RoleAnnotation: "arn:$(partition):iam::$(account):role/other"})
	assert.Equal(t, Stale, got.State)

	// What this command does not know, the controller does.
	s.installed[0].Config.BaseRoleARN = ""
	got = statusOf(t, s, byVariables)
	assert.Equal(t, Ready, got.State)
	assert.Nil(t, got.LastError)
	assert.False(t, got.Managed)
	got = statusOf(t, settingsFor(t), map[string]string{api.RolePolicyAnnotation: `{"a":"$(cluster)"}`})
	assert.Equal(t, Ready, got.State)
	assert.True(t, got.Managed)
}
