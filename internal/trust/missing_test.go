package trust

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestMissing(t *testing.T) {
	const controller = "arn:aws:iam::123456789012:role/infra/controller"
	written, err := Policy(controller, "demo/prod", "demo.app")
	require.NoError(t, err)
	statement := func(principal, action, condition string) string {
		return fmt.Sprintf(`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":"ec2.amazonaws.com"},"Action":"sts:AssumeRole"},`+
			`{"Effect":"Allow","Principal":{"AWS":%s},"Action":%s%s}]}`, principal, action, condition)
	}
	const externalID = `,"Condition":{"StringEquals":{"sts:ExternalId":["other/prod","demo/prod"]}}`
	for name, tt := range map[string]struct{ policy, principal, want string }{
		"as it is written":              {policy: written, principal: controller},
		"by whoever it names":           {policy: written},
		"one of several":                {policy: statement(`["arn:aws:iam::123456789012:user/a","`+controller+`"]`, `["sts:AssumeRole","sts:TagSession"]`, externalID), principal: controller},
		"the account of the controller": {policy: statement(`"arn:aws:iam::123456789012:root"`, `"sts:*"`, externalID), principal: controller},
		"the account by its number":     {policy: statement(`"123456789012"`, `"sts:AssumeRole"`, externalID), principal: controller},
		"everybody without a condition": {policy: statement(`"*"`, `"sts:AssumeRole"`, ""), principal: controller},
		"another principal":             {policy: statement(`"arn:aws:iam::123456789012:role/other"`, `"sts:AssumeRole"`, externalID), principal: controller, want: "and not the controller's " + controller},
		"the account of somebody else":  {policy: statement(`"arn:aws:iam::999999999999:root"`, `"sts:AssumeRole"`, externalID), principal: controller, want: "it names arn:aws:iam::999999999999:root"},
		"another external ID":           {policy: statement(`"`+controller+`"`, `"sts:AssumeRole"`, `,"Condition":{"StringEquals":{"sts:ExternalId":"demo/test"}}`), principal: controller, want: "demands the sts:ExternalId demo/test, and the controller presents demo/prod"},
		"another session":               {policy: statement(`"`+controller+`"`, `"sts:AssumeRole"`, `,"Condition":{"StringEquals":{"sts:RoleSessionName":"demo.other"}}`), principal: controller, want: "demands the sts:RoleSessionName demo.other"},
		"a condition of another kind":   {policy: statement(`"`+controller+`"`, `"sts:AssumeRole"`, `,"Condition":{"IpAddress":{"aws:SourceIp":"10.0.0.0/8"}}`), principal: controller, want: "the condition IpAddress of aws:SourceIp"},
		"a service alone":               {policy: `{"Version":"2012-10-17","Statement":{"Effect":"Allow","Principal":{"Service":"ec2.amazonaws.com"},"Action":"sts:AssumeRole"}}`, want: "no principal of AWS"},
		"a web identity alone":          {policy: `{"Version":"2012-10-17","Statement":{"Effect":"Allow","Principal":{"Federated":"arn:aws:iam::123456789012:oidc-provider/a"},"Action":"sts:AssumeRoleWithWebIdentity"}}`, want: "no statement allows sts:AssumeRole"},
		"a denial":                      {policy: `{"Version":"2012-10-17","Statement":{"Effect":"Deny","Principal":{"AWS":"*"},"Action":"sts:AssumeRole"}}`, want: "no statement allows sts:AssumeRole"},
		"what is no policy":             {policy: `{"Statement":[{"effect":"Allow"}]}`, want: "not a trust policy by IAM's grammar"},
		"what is no JSON":               {policy: `<html>`, want: "not a trust policy"},
	} {
		t.Run(name, func(t *testing.T) {
			got := Missing(tt.policy, tt.principal, "demo/prod", "demo.app")
			if tt.want == "" {
				assert.Empty(t, got)
			} else {
				assert.Contains(t, got, tt.want)
			}
		})
	}
}
