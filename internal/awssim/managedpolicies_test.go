package awssim

import (
	"net/url"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestManagedPoliciesAreRead(t *testing.T) {
	w := newWorld(t, Options{})
	ctx := t.Context()
	arn, err := w.AddManagedPolicy(home, "/limits/", "boundary", harmless)
	require.NoError(t, err)
	got, err := w.iam.GetPolicy(ctx, &iam.GetPolicyInput{PolicyArn: &arn})
	require.NoError(t, err)
	assert.Equal(t, "boundary", *got.Policy.PolicyName)
	assert.Equal(t, "/limits/", *got.Policy.Path)
	assert.Equal(t, "v1", *got.Policy.DefaultVersionId)
	version, err := w.iam.GetPolicyVersion(ctx, &iam.GetPolicyVersionInput{PolicyArn: &arn, VersionId: new("v1")})
	require.NoError(t, err)
	text, err := url.PathUnescape(*version.PolicyVersion.Document)
	require.NoError(t, err)
	assert.JSONEq(t, harmless, text)

	_, err = w.AddManagedPolicy(home, "/limits/", "boundary", strings.Replace(harmless, "s3:", "sqs:", 1))
	require.NoError(t, err)
	got, err = w.iam.GetPolicy(ctx, &iam.GetPolicyInput{PolicyArn: &arn})
	require.NoError(t, err)
	assert.Equal(t, "v2", *got.Policy.DefaultVersionId)
	_, err = w.iam.GetPolicyVersion(ctx, &iam.GetPolicyVersionInput{PolicyArn: &arn, VersionId: new("v3")})
	refused(t, err, "NoSuchEntity", "Policy "+arn+" version v3 does not exist or is not attachable.")
	_, err = w.iam.GetPolicyVersion(ctx, &iam.GetPolicyVersionInput{PolicyArn: &arn, VersionId: new("two")})
	refused(t, err, "ValidationError", "")
	_, err = w.iam.GetPolicy(ctx, &iam.GetPolicyInput{PolicyArn: new(arn + "2")})
	refused(t, err, "NoSuchEntity", "Policy "+arn+"2 was not found.")

	_, err = w.AddUser(home, "reader", false, `{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"iam:GetPolicy","Resource":"`+arn+`"}}`)
	require.NoError(t, err)
	reader := w.iamAs(w.user("reader"))
	_, err = reader.GetPolicy(ctx, &iam.GetPolicyInput{PolicyArn: &arn})
	require.NoError(t, err)
	_, err = reader.GetPolicyVersion(ctx, &iam.GetPolicyVersionInput{PolicyArn: &arn, VersionId: new("v2")})
	refused(t, err, "AccessDenied", "is not authorized to perform: iam:GetPolicyVersion on resource: policy "+arn+" because no identity-based policy allows the iam:GetPolicyVersion action")
	_, err = reader.GetPolicy(ctx, &iam.GetPolicyInput{PolicyArn: new(arn + "2")})
	refused(t, err, "AccessDenied", "")
}
