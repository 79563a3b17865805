package app

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"kube-aws-iam-controller/internal/awssim"
	"kube-aws-iam-controller/internal/sts"
)

const account = "123456789012"

// command runs the process and returns its exit code and what it printed.
func command(t *testing.T, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	var out, failures bytes.Buffer
	code = Run(t.Context(), "v1.2.3", args, &out, &failures)
	return code, out.String(), failures.String()
}

// principals returns whom the statements of a policy trust.
func principals(t *testing.T, policy string) []string {
	t.Helper()
	var document struct {
		Statement []struct {
			Principal struct {
				AWS string `json:"AWS"`
			} `json:"Principal"`
		} `json:"Statement"`
	}
	require.NoError(t, json.Unmarshal([]byte(policy), &document), "it is JSON and nothing besides: %s", policy)
	var all []string
	for _, statement := range document.Statement {
		all = append(all, statement.Principal.AWS)
	}
	return all
}

// useAWS has the process use simulated AWS with these credentials.
func useAWS(t *testing.T, url string, creds aws.Credentials) {
	t.Helper()
	t.Setenv("AWS_ENDPOINT_URL", url)
	t.Setenv("AWS_REGION", "eu-central-1")
	t.Setenv("AWS_EC2_METADATA_DISABLED", "true")
	t.Setenv("AWS_ACCESS_KEY_ID", creds.AccessKeyID)
	t.Setenv("AWS_SECRET_ACCESS_KEY", creds.SecretAccessKey)
	t.Setenv("AWS_SESSION_TOKEN", creds.SessionToken)
}

func TestTrustPolicyWorksOfflineWhereTheRoleIsGiven(t *testing.T) {
	useAWS(t, "http://127.0.0.1:1", aws.Credentials{})
	t.Setenv("AWS_REGION", "")
	role := "arn:aws:iam::" + account + ":role/infra/controller"
	code, stdout, stderr := command(t, "trust-policy", "team-a", "--cluster-name=prod", "--controller-role-arn="+role)
	assert.Zero(t, code)
	assert.Empty(t, stderr)
	assert.Equal(t, []string{role, role}, principals(t, stdout))
	assert.Contains(t, stdout, `"sts:ExternalId": "team-a/prod"`)
}

func TestTrustPolicyOfWhomAWSKnowsIsDoubtedWhereThatIsHardlyTheController(t *testing.T) {
	server, err := awssim.Start(t.Context(), awssim.New(awssim.Options{}))
	require.NoError(t, err)
	t.Cleanup(server.Close)
	const trust = `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":"ec2.amazonaws.com"},"Action":"sts:AssumeRole"}]}`
	for _, role := range []struct{ path, name, session, doubt string }{
		{"/infra/", "controller", "i-0123456789abcdef0", ""},
		{
			"/aws-reserved/sso.amazonaws.com/eu-central-1/", "AWSReservedSSO_Admin_0123456789abcdef", "jane@example.org",
			"is a person who signed in through IAM Identity Center",
		},
	} {
		t.Run(role.name, func(t *testing.T) {
			arn, err := server.AddRole(awssim.RoleSpec{Account: account, Path: role.path, Name: role.name, Trust: trust, Admin: true})
			require.NoError(t, err)
			creds, err := server.RoleCredentials(account, role.name, role.session, time.Hour)
			require.NoError(t, err)
			useAWS(t, server.URL(), creds)
			code, stdout, stderr := command(t, "trust-policy", "team-a", "--cluster-name=prod")
			assert.Zero(t, code)
			assert.Equal(t, []string{arn, arn}, principals(t, stdout))
			if role.doubt == "" {
				assert.Empty(t, stderr)
				return
			}
			assert.Contains(t, stderr, role.doubt)
			assert.Contains(t, stderr, "--controller-role-arn")
		})
	}
}

func TestTrustPolicyWithoutAWSSaysWhatToGive(t *testing.T) {
	useAWS(t, "http://127.0.0.1:1", aws.Credentials{AccessKeyID: "AKIAEXAMPLE", SecretAccessKey: "secret"})
	t.Setenv("AWS_MAX_ATTEMPTS", "1")
	code, stdout, stderr := command(t, "trust-policy", "team-a", "--cluster-name=prod")
	assert.Equal(t, exitError, code)
	assert.Empty(t, stdout)
	assert.Contains(t, stderr, "--controller-role-arn")
}

func TestTrustPolicyRefusesToGuessTheCluster(t *testing.T) {
	code, stdout, stderr := command(t, "trust-policy", "team-a", "--controller-role-arn=arn:aws:iam::"+account+":role/controller")
	assert.Equal(t, exitUsage, code)
	assert.Empty(t, stdout)
	assert.Contains(t, stderr, "--cluster-name")
}

func TestVersionIsPrintedEitherWay(t *testing.T) {
	for _, how := range []string{"version", "--version"} {
		code, stdout, stderr := command(t, how)
		assert.Zero(t, code)
		assert.Equal(t, "v1.2.3\n", stdout)
		assert.Empty(t, stderr)
	}
}

func TestTrustPolicySaysWhatToDoAndPromisesNoRetry(t *testing.T) {
	useAWS(t, "http://127.0.0.1:1", aws.Credentials{AccessKeyID: "AKIDEXAMPLE", SecretAccessKey: "x"})
	t.Setenv("AWS_MAX_ATTEMPTS", "1")
	code, stdout, stderr := command(t, "trust-policy", "team-a", "--cluster-name=prod")
	assert.Equal(t, exitError, code)
	assert.Empty(t, stdout)
	assert.Contains(t, stderr, "STS did not answer GetCallerIdentity: the connection was refused")
	assert.Contains(t, stderr, "; or give the controller's own role with --controller-role-arn, which needs no credentials")
	assert.NotContains(t, stderr, "retried", "a command ends")
}

func TestTrustPolicyOfOneServiceAccountDemandsItsSessionName(t *testing.T) {
	long := strings.Repeat("x", 100)
	for name, named := range map[string]string{"app": "team-a.app", long: sts.ServiceAccountSessionName("team-a", long)} {
		code, stdout, stderr := command(t, "trust-policy", "team-a", name, "--cluster-name=prod", "--controller-role-arn=arn:aws:iam::"+account+":role/controller")
		assert.Zero(t, code)
		assert.Empty(t, stderr)
		assert.Contains(t, stdout, `"sts:ExternalId": "team-a/prod"`)
		assert.Contains(t, stdout, `"sts:RoleSessionName": "`+named+`"`)
		assert.LessOrEqual(t, len(named), 64)
		assert.NotContains(t, stdout, "Null", "what existing roles do with tags is their owners' to say")
	}
	code, _, stderr := command(t, "trust-policy", "team-a", "No Account", "--cluster-name=prod")
	assert.Equal(t, exitUsage, code)
	assert.Contains(t, stderr, `the second argument of trust-policy: "No Account" is not the name of a ServiceAccount`)
}
