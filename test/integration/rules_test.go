package integration

import (
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"kube-aws-iam-controller/internal/awssim"

	"kube-aws-iam-controller/test/kit"
)

// rule annotates the test's namespace, with key=value or key- to take one off.
func (w *world) rule(annotation string) {
	w.t.Helper()
	require.NoError(w.t, w.objects().Annotate(w.t.Context(), "namespace/"+w.namespace, kit.Changes("iam.amazonaws.com/"+annotation)))
}

// eventSays waits for an event on an object whose message contains a text: the events of before stay.
func (w *world) eventSays(kind, name, reason, text string) {
	w.t.Helper()
	_, err := w.objects().Event(w.t.Context(), kit.Said{Kind: kind, Name: name, Reason: reason, Text: text})
	require.NoError(w.t, err)
}

func TestANamespaceUsesOnlyTheRolesItMay(t *testing.T) {
	w := newWorld(t)
	w.iamRole("", "app")
	w.start()
	w.account("app", "app")
	w.role("db", "app: db", "roleReference: app")
	w.secret("app.aws-iam", nil)
	w.secret("db", nil)

	w.rule(`allowed-roles=["other-*"]`)
	w.gone("app.aws-iam")
	w.gone("db")
	for kind, name := range map[string]string{"ServiceAccount": "app", "AWSIAMRole": "db"} {
		assert.Contains(t, w.event(kind, name, "RoleNotPermitted"),
			"The namespace "+w.namespace+" may not use role 'arn:aws:iam::123456789012:role/app': iam.amazonaws.com/allowed-roles: [\"other-*\"] does not include it. "+
				"Use a role that is permitted, or have whoever administers the namespace add \"app\"")
	}
	w.eventuallyField("awsiamrole/db", `.status.conditions[0].reason`, "RoleNotPermitted")

	w.rule(`allowed-roles=["app"]`)
	w.secret("app.aws-iam", nil)
	w.secret("db", nil)

	w.rule(`allowed-roles=[app]`)
	assert.Contains(t, w.event("Namespace", w.namespace, "InvalidAnnotation"), `iam.amazonaws.com/allowed-roles: "[app]" is not JSON, so it permits nothing: write ["app"]. Until it is corrected`)
	w.account("new", "app")
	assert.Contains(t, w.event("ServiceAccount", "new", "RoleNotPermitted"), "is not JSON", "nothing new is issued")
	w.secret("app.aws-iam", nil) // but nothing is withdrawn
	w.secret("db", nil)
	w.rule(`allowed-roles=["app"]`)
	w.secret("new.aws-iam", nil)

	w.rule(`permitted=(`)
	w.eventSays("Namespace", w.namespace, "InvalidAnnotation", `iam.amazonaws.com/permitted: "(" is not a regular expression`)
	w.secret("app.aws-iam", nil)
	w.rule(`allowed-roles=["other-*"]`) // beside the malformed one
	w.gone("app.aws-iam")
	w.gone("db")

	w.rule("permitted-")
	w.rule(`allowed-roles=["app"]`)
	w.secret("app.aws-iam", nil)
	w.secret("db", nil)
}

func TestRulesHoldFromTheFirstMomentOfANamespace(t *testing.T) {
	w := newWorld(t)
	w.iamRole("", "app")
	w.rule(`permitted=app`)
	w.start()
	w.account("app", "app")
	w.eventSays("ServiceAccount", "app", "RoleNotPermitted", `iam.amazonaws.com/permitted: app has to match the whole ARN, and matches only "app" of it. `+
		"Use a role that is permitted, or have whoever administers the namespace write .*/app")
	assert.Zero(t, w.assumed(), "STS is not asked")
	w.rule(`permitted=.*/app`)
	w.secret("app.aws-iam", nil)
}

func TestWithRestrictionsANamespaceWithoutRulesUsesNoRole(t *testing.T) {
	w := newWorld(t)
	w.iamRole("", "app")
	w.start("--namespace-restrictions")
	w.account("app", "app")
	assert.Contains(t, w.event("ServiceAccount", "app", "RoleNotPermitted"), "--namespace-restrictions")
	assert.Zero(t, w.assumed(), "STS is not asked")
	w.rule(`allowed-roles=["*"]`)
	w.secret("app.aws-iam", nil)
	w.rule("allowed-roles-")
	w.gone("app.aws-iam")
}

func TestARoleThatTakesAnyExternalIDIsNotUsedWhereItIsRequired(t *testing.T) {
	w := newWorld(t)
	ctx := t.Context()
	admin, err := w.aws.Admin()
	require.NoError(t, err)
	arn, err := w.aws.AddRole(awssim.RoleSpec{Account: kit.AccountID, Name: "open", Trust: `{"Version":"2012-10-17","Statement":[
		{"Effect":"Allow","Principal":{"AWS":"` + w.aws.ControllerARN() + `"},"Action":"sts:AssumeRole"}]}`})
	require.NoError(t, err)
	w.iamRole("", "bound")
	w.start("--require-external-id")
	w.account("open", "open")
	w.role("open-too", "app: open", "roleReference: "+arn)
	w.account("bound", "bound")

	assert.NotEmpty(t, w.secret("bound.aws-iam", nil).Annotations["iam.amazonaws.com/external-id-proven"])
	for kind, name := range map[string]string{"ServiceAccount": "open", "AWSIAMRole": "open-too"} {
		assert.Contains(t, w.event(kind, name, "ExternalIDNotEnforced"), `add the condition sts:ExternalId "`+w.namespace+`/test"`)
	}
	w.gone("open.aws-iam")
	w.gone("open-too")

	_, err = admin.UpdateAssumeRolePolicy(ctx, &iam.UpdateAssumeRolePolicyInput{
		RoleName: new("open"), PolicyDocument: new(w.aws.TrustPolicy(w.namespace + "/test")),
	})
	require.NoError(t, err)
	w.secret("open.aws-iam", nil)
	w.secret("open-too", nil)
}
