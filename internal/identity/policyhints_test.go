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
	type hinted struct{ statement, hint string }
	passRoleOn := func(resource string) string {
		return strings.Replace(passRole, "all resources", fmt.Sprintf("%q", resource), 1)
	}
	passing := func(condition, hint string) hinted {
		return hinted{`"Effect":"Allow","Action":"iam:PassRole","Resource":"*","Condition":` + condition, hint}
	}
	for name, tc := range map[string]hinted{
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
		"passing roles of a path":         {`"Effect":"Allow","Action":"iam:PassRole","Resource":"arn:aws:iam::123456789012:role/tasks/*"`, ""},
		"passing any role of an account":  {`"Effect":"Allow","Action":"iam:PassRole","Resource":"arn:aws:iam::123456789012:role/*"`, passRoleOn("arn:aws:iam::123456789012:role/*")},
		"passing any role of any account": {`"Effect":"Allow","Action":"iam:PassRole","Resource":"arn:aws:iam::*:role/*"`, passRoleOn("arn:aws:iam::*:role/*")},
		"passing anything of IAM":         {`"Effect":"Allow","Action":"iam:PassRole","Resource":"arn:aws:iam::123456789012:*"`, passRoleOn("arn:aws:iam::123456789012:*")},
		"passing any role of China":       {`"Effect":"Allow","Action":"iam:PassRole","Resource":"arn:aws-cn:iam::*:role*"`, passRoleOn("arn:aws-cn:iam::*:role*")},
		"passing any role, among named":   {`"Effect":"Allow","Action":"iam:PassRole","Resource":["arn:aws:iam::123456789012:role/task","arn:*"]`, passRoleOn("arn:*")},

		// Conditions on iam:PassedToService that limit something, and others.
		"passing to a service, in other case":   passing(`{"stringlike":{"IAM:passedtoservice":["ecs-tasks.amazonaws.com","lambda*"]}}`, ""),
		"passing to some of the values":         passing(`{"ForAnyValue:StringEquals":{"iam:PassedToService":"ecs-tasks.amazonaws.com"}}`, ""),
		"passing to a service, which is needed": passing(`{"StringEqualsIfExists":{"iam:PassedToService":"ecs-tasks.amazonaws.com"},"Null":{"iam:PassedToService":false}}`, ""),
		"passing to a service, at night":        passing(`{"StringEquals":{"iam:PassedToService":"ecs-tasks.amazonaws.com"},"DateGreaterThan":{"aws:CurrentTime":"2030-01-01T00:00:00Z"}}`, ""),
		"passing to all but a service":          passing(`{"StringNotEquals":{"iam:PassedToService":"ecs-tasks.amazonaws.com"}}`, passRole),
		"passing to all unlike a service":       passing(`{"StringNotLike":{"iam:PassedToService":"ecs*"}}`, passRole),
		"passing to any service":                passing(`{"StringLike":{"iam:PassedToService":"*"}}`, passRole),
		"passing to any service of AWS":         passing(`{"StringLike":{"iam:PassedToService":["ecs-tasks.amazonaws.com","*.amazonaws.com"]}}`, passRole),
		"passing to a service that is named *":  passing(`{"StringEquals":{"iam:PassedToService":"*"}}`, ""),
		"passing to a service, if it is one":    passing(`{"StringEqualsIfExists":{"iam:PassedToService":"ecs-tasks.amazonaws.com"}}`, passRole),
		"passing to all of the values":          passing(`{"ForAllValues:StringEquals":{"iam:PassedToService":"ecs-tasks.amazonaws.com"}}`, passRole),
		"passing to whichever service":          passing(`{"Null":{"iam:PassedToService":"false"}}`, passRole),
		"all of IAM, to a service": {
			`"Effect":"Allow","Action":"iam:*","Resource":"*","Condition":{"StringEquals":{"iam:PassedToService":"ecs-tasks.amazonaws.com"}}`,
			`names "iam:*" on all resources under a condition on iam:PassedToService, which requests other than iam:PassRole do not have: name the actions that are needed`,
		},
		"all of IAM, to all but a service": {
			`"Effect":"Allow","Action":"iam:*","Resource":"*","Condition":{"StringNotEquals":{"iam:PassedToService":"ecs-tasks.amazonaws.com"}}`, passRole,
		},

		// All resources, spelled otherwise.
		"all on every ARN":             {`"Effect":"Allow","Action":"*","Resource":"arn:*"`, `allows all actions on "arn:*": name what is needed in Action and Resource`},
		"all on every ARN of AWS":      {`"Effect":"Allow","Action":"*","Resource":"arn:aws:*"`, `allows all actions on "arn:aws:*": name what is needed in Action and Resource`},
		"all on every part of an ARN":  {`"Effect":"Allow","Action":"*","Resource":"arn:*:*:*:*:*"`, `allows all actions on "arn:*:*:*:*:*": name what is needed in Action and Resource`},
		"all in an account":            {`"Effect":"Allow","Action":"*","Resource":"arn:aws:*:*:123456789012:*"`, `allows all actions on "arn:aws:*:*:123456789012:*": name what is needed in Action and Resource`},
		"all in a Region":              {`"Effect":"Allow","Action":"*","Resource":"arn:aws:*:eu-central-1:123456789012:*"`, ""},
		"all on objects":               {`"Effect":"Allow","Action":"*","Resource":"arn:aws:s3:::*"`, ""},
		"all actions of S3 on buckets": {`"Effect":"Allow","Action":"s3:*","Resource":["arn:aws:s3:::*","arn:aws:s3:::*/*"]`, `allows "s3:*" on "arn:aws:s3:::*": name the actions or the resources that are needed`},
		"all actions on any table":     {`"Effect":"Allow","Action":"dynamodb:*","Resource":"arn:aws:dynamodb:*:123456789012:*"`, `allows "dynamodb:*" on "arn:aws:dynamodb:*:123456789012:*": name the actions or the resources that are needed`},
		"all actions on tables so":     {`"Effect":"Allow","Action":"dynamodb:*","Resource":"arn:aws:dynamodb:*:123456789012:table/so*"`, ""},
		"any actions, spelled so":      {`"Effect":"Allow","Action":"dynamodb:?*","Resource":"*"`, whole("dynamodb:?*")},
	} {
		t.Run(name, func(t *testing.T) {
			policy, err := ParsePolicy(policyOf("{" + tc.statement + "}"))
			require.NoError(t, err, "it is a policy")
			var want []string
			if tc.hint != "" {
				want = []string{"statement 1 " + tc.hint}
			}
			assert.Equal(t, want, PolicyHints(policy, nil))
		})
	}
}

func TestHintsNameTheStatement(t *testing.T) {
	fine, wide := `{"Effect":"Allow","Action":"s3:GetObject","Resource":"arn:aws:s3:::b/*"}`, `{"Effect":"Allow","Action":"s3:*","Resource":"*"}`
	hints := PolicyHints(policyOf(fine, wide, fine, wide), nil)
	require.Len(t, hints, 2)
	assert.Contains(t, hints[0], `statement 2 allows "s3:*"`)
	assert.Contains(t, hints[1], `statement 4 allows "s3:*"`)
	assert.Len(t, PolicyHints(`{"Version":"2012-10-17","Statement":`+wide+`}`, nil), 1, "a single statement")
	assert.Empty(t, PolicyHints("not a policy", nil))
	assert.Empty(t, PolicyHints("", nil))
}
