package awserr

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/aws/smithy-go"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// responses are error responses of AWS, as found in public reports.
var responses = map[string]struct {
	operation, code, message string
	// remedy is part of the remedy, "" for none.
	remedy string
}{
	"credentials that ran out":    {"AssumeRole", "ExpiredToken", "The security token included in the request is expired", "the controller's own credentials, not the ServiceAccount's: they expired"},
	"keys that were deleted":      {"AssumeRole", "InvalidClientTokenId", "The security token included in the request is invalid.", "the controller's own credentials, not the ServiceAccount's: they were deleted"},
	"no keys":                     {"AssumeRole", "MissingAuthenticationToken", "Request is missing Authentication Token", "the controller's own credentials"},
	"an account without service":  {"AssumeRole", "OptInRequired", "The AWS Access Key Id needs a subscription for the service", "not signed up"},
	"a wrong secret":              {"AssumeRole", "SignatureDoesNotMatch", "The request signature we calculated does not match the signature you provided. Check your AWS Secret Access Key and signing method. Consult the service documentation for details.", "their secret key is wrong"},
	"a Region that is another's":  {"AssumeRole", "SignatureDoesNotMatch", "Credential should be scoped to a valid region, not 'eu-central-1'.", "AWS_REGION and AWS_ENDPOINT_URL do not fit together"},
	"a clock that is behind":      {"AssumeRole", "SignatureDoesNotMatch", "Signature expired: 20250414T215136Z is now earlier than 20250415T033719Z (20250415T035219Z - 15 min.)", "synchronize the clock"},
	"a clock that is ahead":       {"AssumeRole", "SignatureDoesNotMatch", "Signature not yet current: 20250414T215136Z is still later than 20250413T033719Z (20250413T032219Z + 15 min.)", "synchronize the clock"},
	"an old request":              {"AssumeRole", "RequestExpired", "Request has expired.", "synchronize the clock"},
	"no OIDC provider":            {"AssumeRoleWithWebIdentity", "InvalidIdentityToken", "No OpenIDConnect provider found in your account for https://oidc.eks.eu-central-1.amazonaws.com/id/0123", "create the IAM OIDC provider"},
	"another audience":            {"AssumeRoleWithWebIdentity", "InvalidIdentityToken", "Incorrect token audience", "with the audience sts.amazonaws.com"},
	"a file that has no token":    {"AssumeRoleWithWebIdentity", "InvalidIdentityToken", "The ID Token provided is not a valid JWT. (You may see this error if you sent an Access Token)", "a projected token of the controller's ServiceAccount"},
	"keys that are not published": {"AssumeRoleWithWebIdentity", "InvalidIdentityToken", "Couldn't retrieve verification key from your identity provider, please reference AssumeRoleWithWebIdentity documentation for requirements", "over public HTTPS"},
	"an issuer that is away":      {"AssumeRoleWithWebIdentity", "IDPCommunicationError", "Could not reach the identity provider", "over public HTTPS"},
	"a token that ran out":        {"AssumeRoleWithWebIdentity", "ExpiredTokenException", "Token expired: current date/time 1600000001 must be before the expiration date/time 1600000000", "a projected one, which the kubelet renews"},
	"IRSA's role that refuses":    {"AssumeRoleWithWebIdentity", "AccessDenied", "Not authorized to perform sts:AssumeRoleWithWebIdentity", "trust policy of the controller's own role"},
	"a lack of permissions":       {"PutRolePolicy", "AccessDenied", "User: arn:aws:sts::123456789012:assumed-role/c/s is not authorized to perform: iam:PutRolePolicy on resource: role app because no identity-based policy allows the iam:PutRolePolicy action", "examples/iam/controller-policy.json"},
	"another refusal":             {"AssumeRole", "AccessDenied", "User: arn:aws:iam::123456789012:user/u is not authorized to perform: sts:AssumeRole on resource: arn:aws:iam::123456789012:role/app", ""},
	"a Region without STS":        {"AssumeRole", "RegionDisabledException", "STS is not activated in this region for account:123456789012. Your account administrator can activate STS in this region using the IAM Console.", "activate STS"},
	"a session that is too long":  {"AssumeRole", "ValidationError", "The requested DurationSeconds exceeds the MaxSessionDuration set for this role.", "raise the role's maximum session duration"},
	"another parameter":           {"AssumeRole", "ValidationError", "arn:aws:iam:x is invalid", ""},
	"too many tags":               {"AssumeRole", "PackedPolicyTooLarge", "Packed size of session tags consumes 112% of allotted space.", "--session-tags"},
	"too large a session policy":  {"AssumeRole", "PackedPolicyTooLarge", "Packed policy consumes 157% of allotted space, please use smaller policy.", "shorten iam.amazonaws.com/session-policy"},
	"too large a session token":   {"AssumeRole", "PackedPolicyTooLarge", "Serialized token too large for session", "shorten iam.amazonaws.com/session-policy"},
	"a session policy in error":   {"AssumeRole", "MalformedPolicyDocument", "Syntax errors in policy.", "correct iam.amazonaws.com/session-policy or sessionPolicy"},
	"tags that are there already": {"AssumeRole", "InvalidParameterValue", "One of the specified transitive tag keys can't be set because it conflicts with a transitive tag key from the calling session.", "disable session tags"},
	"a role that is not seen":     {"PutRolePolicy", "NoSuchEntity", "The role with name app cannot be found.", "only after some seconds; it is retried within five minutes"},
	"an instance profile":         {"RemoveRoleFromInstanceProfile", "AccessDenied", "User: arn:aws:sts::123456789012:assumed-role/c/s is not authorized to perform: iam:RemoveRoleFromInstanceProfile on resource: instance profile p because no identity-based policy allows the iam:RemoveRoleFromInstanceProfile action", "take it out, or"},
	"no boundary at creation":     {"CreateRole", "NoSuchEntity", "Scope ARN: arn:aws:iam::123456789012:policy/b does not exist or is not attachable.", "the controller's --permissions-boundary"},
	"no boundary later":           {"PutRolePermissionsBoundary", "NoSuchEntity", "Policy arn:aws:iam::123456789012:policy/b does not exist or is not attachable.", "the controller's --permissions-boundary"},
	"a role gone from its bounds": {"PutRolePermissionsBoundary", "NoSuchEntity", "The role with name app cannot be found.", "only after some seconds"},
	"no managed policy":           {"AttachRolePolicy", "NoSuchEntity", "Policy arn:aws:iam::aws:policy/AWSLambdaRole does not exist or is not attachable.", "correct iam.amazonaws.com/managed-policies"},
	"a policy of AWS's own":       {"AttachRolePolicy", "PolicyNotAttachable", "Cannot attach a Service Role Policy to a Customer Role.", "use another one in iam.amazonaws.com/managed-policies"},
	"a principal that is unknown": {"CreateRole", "MalformedPolicyDocument", `Invalid principal in policy: "AWS":"arn:aws:iam::123456789012:role/c"`, "--controller-role-arn"},
	"a policy with an error":      {"PutRolePolicy", "MalformedPolicyDocument", "Syntax errors in policy.", "correct iam.amazonaws.com/role-policy"},
	"too many managed policies":   {"AttachRolePolicy", "LimitExceeded", "Cannot exceed quota for PoliciesPerRole: 10", "name fewer policies"},
	"a policy that is too long":   {"PutRolePolicy", "LimitExceeded", "Maximum policy size of 10240 bytes exceeded for role app", "shorten iam.amazonaws.com/role-policy"},
	"a trust that is too long":    {"CreateRole", "LimitExceeded", "Cannot exceed quota for ACLSizePerRole: 2048", "the controller writes this trust policy"},
	"an account that is full":     {"CreateRole", "LimitExceeded", "Cannot exceed quota for RolesPerAccount: 1000", "the account is full"},
	"another quota":               {"TagRole", "LimitExceeded", "The number of tags has reached the maximum limit.", "this is a quota"},
	"a service's role":            {"PutRolePolicy", "UnmodifiableEntity", "Cannot perform the operation on the protected role 'AWSServiceRoleForX' - this role is only modifiable by AWS", "AWS manages this role"},
	"two at once":                 {"TagRole", "ConcurrentModification", "Request was made to modify an entity that is being modified by another request", "it is retried within five minutes"},
	"throttling":                  {"AssumeRole", "Throttling", "Rate exceeded", "it is retried within five minutes"},
	"a failure of AWS's":          {"CreateRole", "ServiceFailure", "Unable to process request", "a failure within AWS"},
	"an outage":                   {"AssumeRole", "ServiceUnavailable", "Service Unavailable", "a failure within AWS"},
	"what we never heard of":      {"CreateRole", "NewException", "Something new.", ""},
}

func TestRemedies(t *testing.T) {
	given := map[string]bool{}
	for name, tc := range responses {
		t.Run(name, func(t *testing.T) {
			answer := &smithy.GenericAPIError{Code: tc.code, Message: tc.message}
			got := remedy(answer, tc.operation)
			given[got] = true
			if tc.remedy == "" {
				assert.Empty(t, got)
				return
			}
			assert.Contains(t, got, tc.remedy)
			text := Describe(&smithy.OperationError{ServiceID: "X", OperationName: tc.operation, Err: fmt.Errorf("RequestID: 4711: %w", answer)}).Error()
			assert.Contains(t, text, tc.code+": "+strings.TrimRight(signatureTime.ReplaceAllString(tc.message, "…"), "."), "AWS's own words come first")
			assert.True(t, strings.HasSuffix(text, "; "+got), text)
			assert.LessOrEqual(t, len(text), maxMessage)
			assert.NotRegexp(t, `\d{8}T\d{6}Z|4711|[\n\t]`, text, "the same each time, in one line")
		})
	}
	for _, a := range remedies {
		assert.True(t, given[a.remedy], "no answer of AWS is known to bring about: %s", a.remedy)
	}
}

func TestLongMessageLeavesRoomForTheRemedy(t *testing.T) {
	text := Describe(api("LimitExceeded", "PoliciesPerRole "+strings.Repeat("ä", 1000))).Error()
	assert.LessOrEqual(t, len(text), maxMessage)
	assert.Contains(t, text, "name fewer policies")
}

func TestAbout(t *testing.T) {
	const arn = "arn:aws:iam::aws:policy/aws-service-role/X"
	require.EqualError(t, Describe(About(arn, api("NewException", "no"))), arn+": NewException: no")
	require.EqualError(t, Describe(About(arn, api("NewException", "no "+arn))), "NewException: no "+arn)
	require.NoError(t, About(arn, nil))
}

func TestCodesAreDocumented(t *testing.T) {
	page, err := os.ReadFile("../../docs/troubleshooting.md")
	require.NoError(t, err)
	for _, a := range remedies {
		for _, code := range a.codes {
			assert.Contains(t, string(page), "`"+strings.TrimSuffix(code, "Exception"), "say there what to do about it")
		}
	}
}

func TestWithoutRetry(t *testing.T) {
	cause := Describe(api("Throttling", "Rate exceeded"))
	require.ErrorContains(t, cause, retried)
	err := WithoutRetry(cause)
	assert.NotContains(t, err.Error(), retried)
	assert.Contains(t, err.Error(), "Rate exceeded")
	assert.ErrorIs(t, err, cause)
}

func TestCommandsSpeakOfTheirUsersCredentials(t *testing.T) {
	own := &CredentialsError{Source: "there are none", Remedy: "give the ServiceAccount some"}
	require.EqualError(t, ForCommand(fmt.Errorf("ask: %w", own)), "this command has no AWS credentials: there are none; configure them as for the AWS CLI, such as with AWS_PROFILE")
	require.EqualError(t, ForCommand(Plain(own.Err, "it does not trust X (this controller); "+retried)), "it does not trust X")
}
