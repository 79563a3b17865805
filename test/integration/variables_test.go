package integration

import (
	"context"
	"fmt"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"kube-aws-iam-controller/internal/awssim"

	"kube-aws-iam-controller/test/kit"
)

const regionKey = "iam.amazonaws.com/region"

// policyOf returns a policy for one resource.
func policyOf(resource string) string {
	return `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":["iam:GetRole","sqs:*"],"Resource":"` + resource + `"}]}`
}

// untilPolicy waits until the inline policy of a managed role is as wanted.
func (w *world) untilPolicy(client *iam.Client, arn, want string) {
	w.t.Helper()
	w.eventually(func(ctx context.Context) error {
		out, err := client.GetRolePolicy(ctx, &iam.GetRolePolicyInput{
			RoleName: new(arn[strings.LastIndexByte(arn, '/')+1:]), PolicyName: new("kube-aws-iam-controller"),
		})
		if err != nil {
			return err
		}
		if text, err := url.PathUnescape(*out.PolicyDocument); err != nil || text != want {
			return fmt.Errorf("the policy is %s, and is to be %s: %w", text, want, err)
		}
		return nil
	})
}

func TestVariablesOfAManagedRole(t *testing.T) {
	w := newWorld(t)
	client := w.admin()
	resource := "arn:$(partition):sqs:$(region):$(account):$(cluster)-$(namespace)-$(serviceaccount)-$$(x)-${aws:username}"
	expanded := func(region string) string {
		return policyOf("arn:aws:sqs:" + region + ":123456789012:test-" + w.namespace + "-app.v2-$(x)-${aws:username}")
	}
	c := w.provisioning("--default-region=eu-central-1", "--drift-interval=5s")
	w.accountWith("app.v2", map[string]string{policyKey: "\n" + policyOf(resource), limitKey: policyOf(resource)})
	secret := w.secret("app.v2.aws-iam", nil)
	arn := string(secret.Data["role-arn"])
	w.untilPolicy(client, arn, expanded("eu-central-1"))
	assert.Equal(t, expanded("eu-central-1"), secret.Annotations[limitKey], "what sessions are limited to")
	assert.Equal(t, []string{expanded("eu-central-1")}, w.sessionPolicies())

	// What somebody else writes into the role is compared with what variables stand for.
	_, err := client.PutRolePolicy(t.Context(), &iam.PutRolePolicyInput{
		RoleName: w.ownRole(client, arn).RoleName, PolicyName: new("kube-aws-iam-controller"), PolicyDocument: new(policyOf(resource)),
	})
	require.NoError(t, err)
	assert.Contains(t, w.event("ServiceAccount", "app.v2", "RoleDriftCorrected"), "which had been changed outside of the controller: inline-policy")
	w.untilPolicy(client, arn, expanded("eu-central-1"))

	w.annotate("app.v2", regionKey+"=eu-west-1")
	w.untilPolicy(client, arn, expanded("eu-west-1"))
	secret = w.secret("app.v2.aws-iam", secret)

	// Nor is anything renewed at a restart, for which the account has to be known again.
	c.Kill()
	before := len(w.aws.Calls())
	c = w.provisioning("--default-region=eu-central-1")
	w.neverGets("nobody")
	for _, call := range w.aws.Calls()[before:] {
		assert.NotContains(t, call.Params["RoleArn"], arn)
	}
	assert.Equal(t, secret.ResourceVersion, w.field("secret/app.v2.aws-iam", ".metadata.resourceVersion"))

	// Another default Region, which this one does not use, and no Region at all.
	c.Kill()
	w.provisioning()
	w.annotate("app.v2", regionKey+"-")
	assert.Contains(t, w.event("ServiceAccount", "app.v2", "InvalidAnnotation"),
		policyKey+": $(region) has no value, because the ServiceAccount has no "+regionKey+" and the controller runs without --default-region: set the annotation")
	w.untilPolicy(client, arn, expanded("eu-west-1"))
}

func TestARoleWithVariablesIsAskedForAndPermittedAsWhatItIs(t *testing.T) {
	w := newWorld(t)
	arn := w.iamRole(w.namespace+"/", "app")
	w.rule(`allowed-roles=["` + w.namespace + `/*"]`)
	w.start()
	w.account("app", "/$(namespace)/$(serviceaccount)")
	w.account("other", "arn:$(partition):iam::$(account):role/$(serviceaccount)/$(namespace)")
	assert.Equal(t, arn, string(w.secret("app.aws-iam", nil).Data["role-arn"]))
	w.eventuallyField("sa/app", `.metadata.annotations.iam\.amazonaws\.com/role-arn`, arn)
	assert.Contains(t, w.event("ServiceAccount", "other", "RoleNotPermitted"),
		"The namespace "+w.namespace+" may not use role 'arn:aws:iam::123456789012:role/other/"+w.namespace+"'")
	w.absent("other.aws-iam")
}

func TestAnUnknownVariableEndsNothingThatWasGood(t *testing.T) {
	w := newWorld(t)
	w.iamRole("", w.namespace+"-app")
	other := w.iamRole("", w.namespace+"-other")
	w.aws.SetSession(20 * time.Second)
	w.start("--refresh-limit=10s")
	w.account("app", "$(namespace)-app")
	w.secret("app.aws-iam", nil)
	w.annotate("app", roleKey+"=$(namespce)-other")
	assert.Contains(t, w.event("ServiceAccount", "app", "InvalidAnnotation"),
		roleKey+`: the variable "$(namespce)" is not known: write $(namespace), or $$(…) for the text $(…) itself; the variables are $(namespace), $(serviceaccount), `)
	w.staysFresh("app.aws-iam")
	w.annotate("app", roleKey+"=$(namespace)-other")
	w.eventually(func(context.Context) error {
		if got := w.field("secret/app.aws-iam", `.metadata.annotations.iam\.amazonaws\.com/role-arn`); got != other {
			return fmt.Errorf("the credentials are still of %s", got)
		}
		return nil
	})
}

func TestAnAccountThatIsNotKnownYetIsNobodysMistake(t *testing.T) {
	w := newWorld(t)
	w.iamRole("", "app")
	const role = "arn:$(partition):iam::$(account):role/app"
	c := w.start()
	w.account("app", role)
	before := w.secret("app.aws-iam", nil)
	c.Kill()

	w.aws.SetFaults(awssim.Fault{Action: "GetCallerIdentity", Code: "ServiceUnavailable", Status: 503})
	w.start()
	w.account("late", role)
	said := "Failed to get credentials: " + roleKey + ": the value of $(partition) is not known: ask AWS who the controller is: "
	for _, name := range []string{"app", "late"} {
		w.eventSays("ServiceAccount", name, "GetCredentialsFailed", said)
	}
	assert.Equal(t, before.ResourceVersion, w.field("secret/app.aws-iam", ".metadata.resourceVersion"), "what is there stays")
	w.absent("late.aws-iam")

	w.aws.SetFaults()
	w.secret("late.aws-iam", nil)
	list, err := w.Client().CoreV1().Events(w.namespace).List(t.Context(), metav1.ListOptions{FieldSelector: "reason=InvalidAnnotation"})
	require.NoError(t, err)
	assert.Empty(t, list.Items)
	assert.Equal(t, before.ResourceVersion, w.field("secret/app.aws-iam", ".metadata.resourceVersion"), "which was issued for the same")
}

func TestTheBaseARNHasTheAccountWithoutACall(t *testing.T) {
	w := newWorld(t)
	arn, err := w.aws.Role(kit.OtherAccountID, "", "app", w.namespace+"/test")
	require.NoError(t, err)
	w.start("--base-role-arn=arn:aws:iam::"+kit.OtherAccountID+":role/team/", "--require-external-id=off")
	w.account("app", "arn:$(partition):iam::$(account):role/app")
	assert.Equal(t, arn, string(w.secret("app.aws-iam", nil).Data["role-arn"]))
}
