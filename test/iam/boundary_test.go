package iam

import (
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	ststypes "github.com/aws/aws-sdk-go-v2/service/sts/types"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"kube-aws-iam-controller/internal/awssim"
	"kube-aws-iam-controller/internal/identity"
)

const everything = `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"*","Resource":"*"}]}`

// made has the controller make the role of a ServiceAccount, and returns the access key of a session of it.
func (w *world) made(namespace, account, policy string) string {
	w.t.Helper()
	return w.session(w.ensured(namespace, account, policy).ARN.Name)
}

func (w *world) ensured(namespace, account, policy string) identity.Role {
	w.t.Helper()
	p, _, err := w.running(clusterName, w.boundary)
	require.NoError(w.t, err)
	role, err := p.Ensure(w.t.Context(), identity.Desired{
		Key: identity.Key{Source: identity.ServiceAccount, Namespace: namespace, Name: account}, UID: "u", ExternalID: namespace + "/" + clusterName,
		SessionDuration: time.Hour, Managed: &identity.ManagedRole{Policy: policy},
	}, "")
	require.NoError(w.t, err)
	return role
}

func (w *world) session(role string) string {
	w.t.Helper()
	creds, err := w.RoleCredentials(home, role, "test", time.Hour)
	require.NoError(w.t, err)
	return creds.AccessKeyID
}

// asked is a request to some service, on a resource with tags or with what else the service tells.
type asked struct {
	action, resource string
	values           map[string]string
}

func (w *world) may(key string, request asked) bool {
	w.t.Helper()
	may, err := w.Allows(key, request.action, request.resource, request.values)
	require.NoError(w.t, err)
	return may
}

// taggedFor are the tags of a resource of a namespace.
func taggedFor(cluster, namespace string) map[string]string {
	return map[string]string{"aws:ResourceTag/kubernetes-cluster": cluster, "aws:ResourceTag/kubernetes-namespace": namespace}
}

const (
	inAccount = ":eu-central-1:" + home + ":"
	queue     = "arn:aws:sqs" + inAccount + "q"
	key       = "arn:aws:kms" + inAccount + "key/1"
	bucket    = "arn:aws:s3:::example-bucket"
)

// dataOf are requests for what a namespace of a cluster has.
func dataOf(cluster, namespace string) map[string]asked {
	owner, tags := cluster+"/"+namespace, taggedFor(cluster, namespace)
	return map[string]asked{
		"read an object":        {"s3:GetObject", bucket + "/" + owner + "/a", nil},
		"write an object":       {"s3:PutObject", bucket + "/" + owner + "/a/b", nil},
		"list objects":          {"s3:ListBucket", bucket, map[string]string{"s3:prefix": owner + "/"}},
		"read a secret":         {"secretsmanager:GetSecretValue", "arn:aws:secretsmanager" + inAccount + "secret:" + owner + "/db-AbCdEf", nil},
		"read a parameter":      {"ssm:GetParameter", "arn:aws:ssm" + inAccount + "parameter/" + owner + "/url", nil},
		"read all parameters":   {"ssm:GetParametersByPath", "arn:aws:ssm" + inAccount + "parameter/" + owner, nil},
		"write a log":           {"logs:PutLogEvents", "arn:aws:logs" + inAccount + "log-group:/" + owner + "/app:log-stream:s", nil},
		"send a message":        {"sqs:SendMessage", queue, tags},
		"take a message":        {"sqs:ReceiveMessage", queue, tags},
		"publish":               {"sns:Publish", "arn:aws:sns" + inAccount + "t", tags},
		"read an item":          {"dynamodb:GetItem", "arn:aws:dynamodb" + inAccount + "table/t", tags},
		"query an index":        {"dynamodb:Query", "arn:aws:dynamodb" + inAccount + "table/t/index/i", tags},
		"decrypt with a key":    {"kms:Decrypt", key, tags},
		"put a metric in place": {"cloudwatch:PutMetricData", "*", map[string]string{"cloudwatch:namespace": owner}},
	}
}

func TestANamespaceHasItsOwnDataAndNobodyElses(t *testing.T) {
	w := newWorld(t, shipped(t).text(t))
	all := w.made("team", "app", everything)
	for name, request := range dataOf(clusterName, "team") {
		assert.True(t, w.may(all, request), "it may %s", name)
	}
	// Names that begin alike, other clusters, no owner at all, and one's own name elsewhere in the path of another.
	for _, owner := range [][2]string{
		{clusterName, "team-2"}, {clusterName, "tea"}, {clusterName, "payments"}, {neighbour, "team"}, {clusterName + "/payments/" + clusterName, "team"}, {"", "team"}, {clusterName, ""},
	} {
		for name, request := range dataOf(owner[0], owner[1]) {
			assert.False(t, w.may(all, request), "it may not %s of %s", name, owner)
		}
	}
	for name, request := range map[string]asked{
		"list a whole bucket":              {"s3:ListBucket", bucket, nil},
		"read in another bucket":           {"s3:GetObject", "arn:aws:s3:::other/" + clusterName + "/team/a", nil},
		"read another account's secret":    {"secretsmanager:GetSecretValue", "arn:aws:secretsmanager:eu-central-1:" + other + ":secret:" + clusterName + "/team/db", nil},
		"use what has no tags":             {"sqs:SendMessage", queue, nil},
		"decrypt what is nobody's":         {"kms:Decrypt", key, nil},
		"decrypt by a service that is not": {"kms:Decrypt", key, map[string]string{"kms:ViaService": "lambda.eu-central-1.amazonaws.com"}},
		"change a zone":                    {"route53:ChangeResourceRecordSets", "arn:aws:route53:::hostedzone/Z", nil},
		"tag a queue as one's own":         {"sqs:TagQueue", queue, taggedFor(clusterName, "team")},
		"start an instance":                {"ec2:RunInstances", "*", nil},
	} {
		assert.False(t, w.may(all, request), "it may not %s", name)
	}
	assert.True(t, w.may(all, asked{"kms:Decrypt", key, map[string]string{"kms:ViaService": "s3.eu-central-1.amazonaws.com"}}), "S3 decrypts what it may read")
	assert.True(t, w.may(w.made("external-dns", "external-dns", everything), asked{"route53:ChangeResourceRecordSets", "arn:aws:route53:::hostedzone/Z", nil}))
	assert.False(t, w.may(w.made("external-dns", "other", everything), asked{"route53:ChangeResourceRecordSets", "arn:aws:route53:::hostedzone/Z", nil}))
}

// The boundary alone grants nothing, and nothing to whom nobody has tagged.
func TestABoundaryIsNoGrant(t *testing.T) {
	w := newWorld(t, shipped(t).text(t))
	little := w.made("team", "little", readBucket)
	w.role(awssim.RoleSpec{Name: "bare", Trust: forEC2, Boundary: w.boundary, Policies: map[string]string{"all": everything}})
	bare := w.session("bare")
	for name, request := range dataOf(clusterName, "team") {
		assert.Equal(t, request.action == "s3:GetObject", w.may(little, request), name)
		assert.False(t, w.may(bare, request), name)
	}
	for name, request := range dataOf("", "") {
		assert.False(t, w.may(bare, request), name)
	}
}

// opening are the actions by which a resource is opened to others, or by which one becomes somebody else.
var opening = []string{
	"s3:PutBucketPolicy", "s3:DeleteBucketPolicy", "s3:PutBucketAcl", "s3:PutObjectAcl", "s3:PutObjectVersionAcl", "s3:PutBucketPublicAccessBlock",
	"s3:PutAccountPublicAccessBlock", "s3:PutBucketOwnershipControls", "s3:PutReplicationConfiguration", "s3:PutBucketNotification",
	"s3:CreateAccessPoint", "s3:PutAccessPointPolicy", "s3:PutMultiRegionAccessPointPolicy", "s3:CreateAccessGrant", "s3:PutAccessGrantsInstanceResourcePolicy",
	"sqs:AddPermission", "sqs:SetQueueAttributes", "sns:AddPermission", "sns:SetTopicAttributes", "kms:PutKeyPolicy", "kms:CreateGrant",
	"secretsmanager:PutResourcePolicy", "secretsmanager:DeleteResourcePolicy", "ssm:PutResourcePolicy", "ssm:ModifyDocumentPermission",
	"lambda:AddPermission", "lambda:AddLayerVersionPermission", "ecr:SetRepositoryPolicy", "events:PutPermission",
	"logs:PutResourcePolicy", "logs:PutDestinationPolicy", "dynamodb:PutResourcePolicy", "kinesis:PutResourcePolicy", "ram:CreateResourceShare",
	"iam:CreateRole", "iam:CreateUser", "iam:CreateAccessKey", "iam:PassRole", "iam:PutRolePolicy", "iam:UpdateAssumeRolePolicy", "iam:TagRole", "iam:GetRole",
	"sts:AssumeRole", "sts:AssumeRoleWithWebIdentity", "sts:TagSession", "sts:GetFederationToken",
	"organizations:ListAccounts", "organizations:LeaveOrganization", "account:EnableRegion", "account:PutAlternateContact", "sso:CreateAccountAssignment",
}

func TestNobodyOpensWhatHasAnOwnerToOthers(t *testing.T) {
	w := newWorld(t, shipped(t).text(t))
	all := w.made("team", "app", everything)
	// Somebody who lets the boundary out still has what it denies.
	open := documents(t, "permissions-boundary.json")
	open.Statement = append(open.Statement, statement{"Effect": "Allow", "Action": "*", "Resource": "*"})
	wide, err := w.AddManagedPolicy(home, "/", "opened", open.text(t))
	require.NoError(t, err)
	w.role(awssim.RoleSpec{Name: "opened", Trust: forEC2, Boundary: wide, Policies: map[string]string{"all": everything}})
	opened := w.session("opened")
	assert.True(t, w.may(opened, asked{"ec2:RunInstances", "*", nil}))
	for _, action := range opening {
		for _, resource := range []string{"*", queue, key, bucket, bucket + "/" + clusterName + "/team/a"} {
			request := asked{action, resource, taggedFor(clusterName, "team")}
			assert.False(t, w.may(all, request), "%s on %s", action, resource)
			assert.False(t, w.may(opened, request), "%s on %s, with the boundary let out", action, resource)
		}
	}
}

// Why session tags have to be disabled on the controller's Pod Identity association.
func TestTransitiveTagsOfTheControllerGoOverThoseOfARole(t *testing.T) {
	w := newWorld(t, shipped(t).text(t))
	role := w.ensured("team", "app", everything).ARN
	_, err := w.admin.UpdateAssumeRolePolicy(t.Context(), &iam.UpdateAssumeRolePolicyInput{
		RoleName: new(controllerName), PolicyDocument: new(strings.Replace(forEC2, `{"Service":"ec2.amazonaws.com"},"Action":"sts:AssumeRole"`, `{"AWS":"`+home+`"},"Action":["sts:AssumeRole","sts:TagSession"]`, 1)),
	})
	require.NoError(t, err)
	admin, err := w.UserCredentials(home, "admin")
	require.NoError(t, err)
	agent, err := sts.NewFromConfig(w.as(admin)).AssumeRole(t.Context(), &sts.AssumeRoleInput{ // as the agent on the node does
		RoleArn: &w.controller, RoleSessionName: new("eks-demo"), TransitiveTagKeys: []string{"kubernetes-namespace"},
		Tags: []ststypes.Tag{{Key: new("kubernetes-namespace"), Value: new("kube-system")}},
	})
	require.NoError(t, err)
	own := agent.Credentials
	app, err := sts.NewFromConfig(w.as(aws.Credentials{AccessKeyID: *own.AccessKeyId, SecretAccessKey: *own.SecretAccessKey, SessionToken: *own.SessionToken})).
		AssumeRole(t.Context(), &sts.AssumeRoleInput{RoleArn: new(role.String()), RoleSessionName: new("team.app"), ExternalId: new(externalID)})
	require.NoError(t, err)
	for name, request := range dataOf(clusterName, "kube-system") {
		assert.True(t, w.may(*app.Credentials.AccessKeyId, request), name)
	}
	for name, request := range dataOf(clusterName, "team") {
		assert.False(t, w.may(*app.Credentials.AccessKeyId, request), name)
	}
}
