package gather

import (
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"kube-aws-iam-controller/internal/awssim"
	"kube-aws-iam-controller/internal/identity"
	"kube-aws-iam-controller/internal/sts"
)

const account = "123456789012"

// user has the environment be that of a user of AWS, who may do everything or nothing.
func user(t *testing.T, admin bool) *awssim.Server {
	t.Helper()
	server, err := awssim.Start(t.Context(), awssim.New(awssim.Options{}))
	require.NoError(t, err)
	t.Cleanup(server.Close)
	_, err = server.AddUser(account, "somebody", admin)
	require.NoError(t, err)
	credentials, err := server.UserCredentials(account, "somebody")
	require.NoError(t, err)
	nobody(t)
	for name, value := range map[string]string{
		"AWS_ACCESS_KEY_ID": credentials.AccessKeyID, "AWS_SECRET_ACCESS_KEY": credentials.SecretAccessKey,
		"AWS_ENDPOINT_URL_IAM": server.URL(), "AWS_ENDPOINT_URL_STS": server.URL(),
	} {
		t.Setenv(name, value)
	}
	return server
}

// nobody has the environment be that of somebody without AWS credentials.
func nobody(t *testing.T) {
	t.Helper()
	for _, name := range []string{"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_PROFILE", "AWS_REGION", "AWS_WEB_IDENTITY_TOKEN_FILE"} {
		t.Setenv(name, "")
	}
	t.Setenv("AWS_CONFIG_FILE", t.TempDir()+"/config")
	t.Setenv("AWS_SHARED_CREDENTIALS_FILE", t.TempDir()+"/credentials")
}

func role(name string) identity.RoleReference {
	return identity.RoleReference{Partition: "aws", Account: account, Name: name}
}

func TestARoleIsReadWithTheCredentialsOfTheUser(t *testing.T) {
	server := user(t, true)
	const trust = `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":"123456789012"},"Action":"sts:AssumeRole","Condition":{"StringEquals":{"sts:ExternalId":"a+b/c"}}}]}`
	arn, err := server.AddRole(awssim.RoleSpec{Account: account, Path: "/team/", Name: "app", Trust: trust})
	require.NoError(t, err)

	found := readRole(t.Context(), role("app"))
	require.Empty(t, found.Unknown)
	assert.True(t, found.Value.Exists)
	assert.Equal(t, arn, found.Value.ARN)
	assert.JSONEq(t, trust, found.Value.Trust)

	missing := readRole(t.Context(), role("missing"))
	require.Empty(t, missing.Unknown)
	assert.False(t, missing.Value.Exists)

	elsewhere := readRole(t.Context(), identity.RoleReference{Partition: "aws", Account: "999999999999", Name: "app"})
	assert.Contains(t, elsewhere.Unknown, "your AWS credentials are of the account 123456789012, and the role is in 999999999999")
}

func TestAUserWhoMayNotReadTheRole(t *testing.T) {
	server := user(t, false)
	_, err := server.AddRole(awssim.RoleSpec{Account: account, Path: "/", Name: "app", Trust: `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":"123456789012"},"Action":"sts:AssumeRole"}]}`})
	require.NoError(t, err)
	assert.Contains(t, readRole(t.Context(), role("app")).Unknown, "AccessDenied")
}

func TestAUserWithoutAWSCredentials(t *testing.T) {
	nobody(t)
	assert.Equal(t, "whether the trust policy is right: you have no AWS credentials here with which to read it", readRole(t.Context(), role("app")).Unknown)
}

func TestIAMIsAskedInTheRegionOfThePartition(t *testing.T) {
	assert.Equal(t, "us-east-1", regionOf("aws"))
	assert.Equal(t, "us-east-1", regionOf(""))
	for partition, region := range regions {
		assert.Equal(t, region, regionOf(partition))
		assert.Equal(t, region, sts.ForIAM(aws.Config{Region: region}).Region, "where the IAM of %s is", partition)
	}
}
