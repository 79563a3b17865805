package identity

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// policyOf is a policy with these statements.
func policyOf(statements ...string) string {
	return `{"Version":"2012-10-17","Statement":[` + strings.Join(statements, ",") + `]}`
}

func TestHintsAboutStatements(t *testing.T) {
	const (
		everything = "allows all actions on all resources: name what is needed in Action and Resource"
		passRole   = "allows iam:PassRole on all resources: whoever has it can have a service act as a role with more permissions; " +
			"name the roles in Resource, or the service in a condition on iam:PassedToService"
	)
	whole := func(service string) string {
		return fmt.Sprintf("allows %q on all resources: name the actions or the resources that are needed", service)
	}
	for name, tc := range map[string]struct{ statement, hint string }{
		// What most policies should look like.
		"an action on a resource":        {`"Effect":"Allow","Action":"s3:GetObject","Resource":"arn:aws:s3:::bucket/*"`, ""},
		"an action that has no resource": {`"Effect":"Allow","Action":"ec2:DescribeInstances","Resource":"*"`, ""},
		"reading a service":              {`"Effect":"Allow","Action":["ec2:Describe*","s3:List*"],"Resource":"*"`, ""},
		"all of a bucket":                {`"Effect":"Allow","Action":"s3:*","Resource":["arn:aws:s3:::bucket","arn:aws:s3:::bucket/*"]`, ""},
		"all actions on a queue":         {`"Effect":"Allow","Action":"*","Resource":"arn:aws:sqs:eu-central-1:123456789012:queue"`, ""},

		// Everything.
		"all on all":                      {`"Effect":"Allow","Action":"*","Resource":"*"`, everything},
		"all on all, as lists":            {`"Effect":"Allow","Action":["s3:GetObject","*"],"Resource":["arn:aws:s3:::bucket/*","*"]`, everything},
		"all on all, spelled otherwise":   {`"Effect":"Allow","Action":"*:*","Resource":"*:*"`, everything},
		"all on all, under a condition":   {`"Effect":"Allow","Action":"*","Resource":"*","Condition":{"Bool":{"aws:SecureTransport":"true"}}`, everything},
		"all on all but something":        {`"Effect":"Allow","Action":"*","NotResource":"arn:aws:s3:::secret/*"`, "allows all actions on all resources but those in NotResource: name what is needed in Action and Resource"},
		"nothing on all":                  {`"Effect":"Deny","Action":"*","Resource":"*"`, ""},
		"nothing but something":           {`"Effect":"Deny","NotAction":"s3:*","Resource":"*"`, ""},
		"all actions of a service":        {`"Effect":"Allow","Action":"dynamodb:*","Resource":"*"`, whole("dynamodb:*")},
		"all actions of a tagged service": {`"Effect":"Allow","Action":"dynamodb:*","Resource":"*","Condition":{"StringEquals":{"aws:ResourceTag/team":"a"}}`, ""},

		// NotAction.
		"all but something": {
			`"Effect":"Allow","NotAction":["iam:*","organizations:*"],"Resource":"*"`,
			`allows everything but what NotAction names ("iam:*, organizations:*"), on all resources, also what AWS adds later: name what is needed in Action`,
		},
		"all but something on a bucket": {
			`"Effect":"Allow","NotAction":"s3:DeleteObject","Resource":"arn:aws:s3:::bucket/*"`,
			`allows everything but what NotAction names ("s3:DeleteObject"), on the resources that it names, also what AWS adds later: name what is needed in Action`,
		},

		// iam:PassRole.
		"passing any role":                {`"Effect":"Allow","Action":"iam:PassRole","Resource":"*"`, passRole},
		"passing any role, in other case": {`"Effect":"Allow","Action":["ecs:RunTask","IAM:passrole"],"Resource":"*"`, passRole},
		"passing any role, among others":  {`"Effect":"Allow","Action":"iam:*","Resource":"*"`, passRole},
		"passing any role, by a pattern":  {`"Effect":"Allow","Action":"iam:Pass?ole","Resource":"*"`, passRole},
		"passing a role":                  {`"Effect":"Allow","Action":"iam:PassRole","Resource":"arn:aws:iam::123456789012:role/task"`, ""},
		"passing any role to a service":   {`"Effect":"Allow","Action":"iam:PassRole","Resource":"*","Condition":{"StringEquals":{"iam:PassedToService":"ecs-tasks.amazonaws.com"}}`, ""},
		"passing any role at night":       {`"Effect":"Allow","Action":"iam:PassRole","Resource":"*","Condition":{"DateGreaterThan":{"aws:CurrentTime":"2030-01-01T00:00:00Z"}}`, passRole},
		"passing no role":                 {`"Effect":"Deny","Action":"iam:PassRole","Resource":"*"`, ""},
		"listing roles":                   {`"Effect":"Allow","Action":"iam:List*","Resource":"*"`, ""},
	} {
		t.Run(name, func(t *testing.T) {
			policy, err := ParsePolicy(policyOf("{" + tc.statement + "}"))
			require.NoError(t, err, "it is a policy")
			var want []string
			if tc.hint != "" {
				want = []string{"statement 1 " + tc.hint}
			}
			assert.Equal(t, want, PolicyHints(policy))
		})
	}
}

func TestHintsNameTheStatement(t *testing.T) {
	fine, wide := `{"Effect":"Allow","Action":"s3:GetObject","Resource":"arn:aws:s3:::b/*"}`, `{"Effect":"Allow","Action":"s3:*","Resource":"*"}`
	hints := PolicyHints(policyOf(fine, wide, fine, wide))
	require.Len(t, hints, 2)
	assert.Contains(t, hints[0], `statement 2 allows "s3:*"`)
	assert.Contains(t, hints[1], `statement 4 allows "s3:*"`)
	assert.Len(t, PolicyHints(`{"Version":"2012-10-17","Statement":`+wide+`}`), 1, "a single statement")
	assert.Empty(t, PolicyHints("not a policy"))
	assert.Empty(t, PolicyHints(""))
}
