package attacks

import (
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"kube-aws-iam-controller/internal/awssim"

	"kube-aws-iam-controller/test/kit"
)

const (
	byShippedPolicy = "the controller's IAM policy, which names no other account and denies the roles by which organizations administer accounts"
	byOwnPart       = "the boundary, which limits a namespace to resources with its name or tags"
	byNoOpening     = "the boundary, which allows no action that shares a resource, and denies those that are known"
)

// mine has the attacker's ServiceAccount app have a role that may do everything, and returns the access key of its session.
func (a *attacker) mine() string {
	a.t.Helper()
	a.ask("app", "role-policy", everything)
	creds, err := kit.Read(a.got("app.aws-iam"))
	require.NoError(a.t, err)
	return creds.AccessKeyID
}

func (a *attacker) may(key, action, resource string, values map[string]string) bool {
	a.t.Helper()
	may, err := a.aws.Allows(key, action, resource, values)
	require.NoError(a.t, err)
	return may
}

// taggedFor are the tags of a resource of a namespace.
func taggedFor(namespace string) map[string]string {
	return map[string]string{"aws:ResourceTag/kubernetes-cluster": "test", "aws:ResourceTag/kubernetes-namespace": namespace}
}

// administrator is the role by which an organization administers an account: it trusts the whole account that manages it.
func (a *attacker) administrator(account, name string) string {
	a.t.Helper()
	arn, err := a.aws.AddRole(awssim.RoleSpec{
		Account: account, Name: name, Admin: true,
		Trust: `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":"arn:aws:iam::` + kit.AccountID + `:root"},"Action":["sts:AssumeRole","sts:TagSession"]}]}`,
	})
	require.NoError(a.t, err)
	return arn
}

// shippedAttacks are on what is shipped in examples/iam.
var shippedAttacks = []attack{
	{
		intent: "become administrator of another account, by the role that trusts the whole of this one", by: byShippedPolicy,
		try: func(a *attacker) {
			const unnamed = "777777777777"
			for name, arn := range map[string]string{
				"unnamed": a.administrator(unnamed, "OrganizationAccountAccessRole"), "named": a.administrator(kit.OtherAccountID, "OrganizationAccountAccessRole"),
				"tower": a.administrator(kit.OtherAccountID, "AWSControlTowerExecution"),
			} {
				a.ask(name, "role", arn)
				a.warned("ServiceAccount", name, "GetCredentialsFailed", notAuthorized)
				a.nothing(name + ".aws-iam")
			}
		},
	},
	{
		intent: "read and write another tenant's data, with a policy that allows everything", by: byOwnPart,
		try: func(a *attacker) {
			key, region := a.mine(), "eu-central-1:"+kit.AccountID+":"
			for owner, mine := range map[string]bool{a.namespace: true, a.victim: false, a.namespace + "-2": false, a.namespace[:len(a.namespace)-1]: false} {
				for action, resource := range map[string]string{
					"s3:GetObject": "arn:aws:s3:::example-bucket/test/" + owner + "/a", "s3:PutObject": "arn:aws:s3:::example-bucket/test/" + owner + "/a",
					"secretsmanager:GetSecretValue": "arn:aws:secretsmanager:" + region + "secret:test/" + owner + "/db", "ssm:GetParameter": "arn:aws:ssm:" + region + "parameter/test/" + owner + "/db",
				} {
					assert.Equal(a.t, mine, a.may(key, action, resource, nil), "%s of %s", action, owner)
				}
				for action, resource := range map[string]string{
					"sqs:ReceiveMessage": "arn:aws:sqs:" + region + "q", "dynamodb:Scan": "arn:aws:dynamodb:" + region + "table/t", "kms:Decrypt": "arn:aws:kms:" + region + "key/1",
				} {
					assert.Equal(a.t, mine, a.may(key, action, resource, taggedFor(owner)), "%s of %s", action, owner)
				}
			}
			assert.False(a.t, a.may(key, "s3:ListBucket", "arn:aws:s3:::example-bucket", nil))
			assert.False(a.t, a.may(key, "s3:GetObject", "arn:aws:s3:::example-bucket/test/"+a.victim+"/test/"+a.namespace+"/a", nil))
		},
	},
	{
		intent: "share a resource of the namespace with other accounts, by its resource policy", by: byNoOpening,
		try: func(a *attacker) {
			key, region := a.mine(), "eu-central-1:"+kit.AccountID+":"
			for action, resource := range map[string]string{
				"s3:PutBucketPolicy": "arn:aws:s3:::example-bucket", "s3:PutObjectAcl": "arn:aws:s3:::example-bucket/test/" + a.namespace + "/a",
				"sqs:AddPermission": "arn:aws:sqs:" + region + "q", "sqs:SetQueueAttributes": "arn:aws:sqs:" + region + "q", "sns:AddPermission": "arn:aws:sns:" + region + "t",
				"kms:PutKeyPolicy": "arn:aws:kms:" + region + "key/1", "kms:CreateGrant": "arn:aws:kms:" + region + "key/1",
				"secretsmanager:PutResourcePolicy": "arn:aws:secretsmanager:" + region + "secret:test/" + a.namespace + "/db",
				"lambda:AddPermission":             "arn:aws:lambda:" + region + "function:f", "dynamodb:PutResourcePolicy": "arn:aws:dynamodb:" + region + "table/t",
				"sqs:TagQueue": "arn:aws:sqs:" + region + "q", "ram:CreateResourceShare": "*",
			} {
				assert.False(a.t, a.may(key, action, resource, taggedFor(a.namespace)), action)
			}
		},
	},
}
