package chain

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	corev1 "k8s.io/api/core/v1"

	"kube-aws-iam-controller/internal/api"
	"kube-aws-iam-controller/internal/cli/finding"
)

const (
	readOnly = `{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":["s3:GetObject","s3:List\u001b[2J"],"Resource":"*"}}`
	denying  = `{"Version":"2012-10-17","Statement":[{"Effect":"Deny","Action":"s3:*","Resource":"*"}]}`
)

func TestWhatLimitsSessionsIsExplained(t *testing.T) {
	const saysReadOnly = ` limits sessions to 1 statement: Allow s3:GetObject, "s3:List\x1b[2J", and to what the role allows of that`
	f := soundAccount(t)
	f.IAM.Unknown = "it was not read"
	assert.Empty(t, found(f, "session policy"))
	f.Account.Value.Annotations[api.SessionPolicyAnnotation] = readOnly
	assert.Equal(t, finding.Finding{Check: "session policy", State: finding.OK, Message: api.SessionPolicyAnnotation + saysReadOnly}, found(f, "session policy"))

	f.Account.Value.Annotations[api.SessionPolicyAnnotation] = denying
	got := found(f, "session policy")
	assert.Equal(t, finding.Warning, got.State)
	assert.Contains(t, got.Message, "limits sessions to 1 statement: Deny s3:*, so that they may do nothing")
	assert.Contains(t, got.Remedy, "kubectl edit serviceaccount app")

	f.Account.Value.Annotations[api.SessionPolicyAnnotation] = "{"
	assert.Empty(t, found(f, "session policy"))
	assert.Equal(t, finding.Broken, found(f, "annotations").State)

	role := soundRole(t)
	role.IAM.Unknown = f.IAM.Unknown
	role.Role.Value.Spec.SessionPolicy = new(readOnly)
	assert.Equal(t, "spec.sessionPolicy"+saysReadOnly, found(role, "session policy").Message)
}

func TestTheLatestPolicyHintIsANote(t *testing.T) {
	f := soundAccount(t)
	f.Controllers.Value[0].Config.PermissionsBoundary = "arn:aws:iam::123456789012:policy/boundary"
	f.Account.Value.Annotations = map[string]string{api.RolePolicyAnnotation: `{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"*","Resource":"*"}}`}
	f.issue()
	f.Pods.Value = nil
	assert.Empty(t, found(f, "policy hint"))
	f.Events.Value = []corev1.Event{
		event("Normal", "PolicyHint", "an earlier one", now.Add(-time.Hour)), event("Normal", "PolicyHint", "all is allowed", now), event("Normal", "Other", "no hint", now.Add(time.Hour)),
	}
	assert.Equal(t, finding.Finding{Check: "policy hint", State: finding.OK, Message: "said at 2026-07-01T12:00:00Z: all is allowed"}, found(f, "policy hint"))
	assert.Nil(t, FirstBroken(Examine(f)))

	f.Account.Value.Annotations, f.IAM.Unknown = map[string]string{api.RoleAnnotation: "app"}, "it was not read"
	assert.Empty(t, found(f, "policy hint"), "there is no such policy any more")
}

func TestFieldsThatTheClusterDropsAreAWarning(t *testing.T) {
	f := soundRole(t)
	f.Dropped = []string{"spec.sessionPolicy"}
	got := found(f, "awsiamrole")
	assert.Equal(t, finding.Warning, got.State)
	assert.Contains(t, got.Message, "asks for the role app; the CustomResourceDefinition awsiamroles.zalando.org is of another version, and lacks spec.sessionPolicy: what is written there is dropped")
	assert.Equal(t, "kubectl apply -f manifests/prerequisites/crd.yaml", got.Remedy)
}
