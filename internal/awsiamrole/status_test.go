package awsiamrole

import (
	"net/http"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"kube-aws-iam-controller/internal/api"
	"kube-aws-iam-controller/internal/identity"
)

func TestChangedConditionIsWrittenWhereTheCRDHasConditions(t *testing.T) {
	s, i, apiServer := newSource(t)
	role := newRole(Spec{RoleReference: "app"})
	require.NoError(t, i.store.Add(role))
	want := identity.Desired{Key: key, UID: "u1", Generation: 3}
	status := identity.Status{Generation: 3, Reason: api.GetCredentialsFailed, Message: "no"}
	written := newRole(Spec{})
	written.Status.Conditions = []metav1.Condition{{Type: api.ReadyCondition}}
	apiServer.answer(http.StatusOK, written)
	require.NoError(t, s.Report(t.Context(), want, status))
	role.Status = nextStatus(&role.Status, status)
	status.Message = "still no"
	require.NoError(t, s.Report(t.Context(), want, status))
	require.Len(t, apiServer.bodies, 2)
	assert.Contains(t, apiServer.bodies[1], `"message":"still no"`)
}
