package awserr

import (
	"slices"
	"strings"

	"github.com/aws/smithy-go"
)

// advice is the remedy for some responses of AWS.
type advice struct {
	// codes are the error codes to which it applies.
	codes []string
	// operations are those to which it applies, nil for all.
	operations []string
	// contains is part of AWS's message, "" for any.
	contains string
	remedy   string
}

// remedy returns the remedy for a response of AWS, "" if its own words have to
// suffice.
func remedy(answer smithy.APIError, operation string) string {
	for _, a := range remedies {
		if slices.Contains(a.codes, answer.ErrorCode()) &&
			(a.operations == nil || slices.Contains(a.operations, operation)) &&
			strings.Contains(answer.ErrorMessage(), a.contains) {
			return a.remedy
		}
	}
	return ""
}

// WithoutRetry returns err without the sentence about retries, for a command that
// does not retry.
func WithoutRetry(err error) error {
	return &described{message: strings.ReplaceAll(err.Error(), "; "+retried, ""), cause: err}
}

const (
	// retried applies to all failures, because the backoff grows to five minutes.
	retried               = "it is retried within five minutes"
	controllerCredentials = "these are the controller's own credentials, not the ServiceAccount's: "
	publishKeys           = "AWS reads /.well-known/openid-configuration of the cluster's issuer, and the keys that it names, over public HTTPS: have both answer, with the keys that the API server signs with now; " + retried
	fewerTags             = "run the controller without --session-tags; under EKS Pod Identity disable session tags on the controller's association"
	setClock              = "synchronize the clock of the controller's node; these are the controller's own credentials, not the ServiceAccount's"
)

// The operations that take the inline policy, the trust policy, the permissions
// boundary, a managed policy, a web identity token, and a session policy.
var (
	inlinePolicyOperations = []string{"PutRolePolicy"}
	trustPolicyOperations  = []string{"CreateRole", "UpdateAssumeRolePolicy"}
	boundaryOperations     = []string{"CreateRole", "PutRolePermissionsBoundary"}
	attachOperations       = []string{"AttachRolePolicy"}
	webIdentityOperations  = []string{"AssumeRoleWithWebIdentity"}
	sessionOperations      = []string{"AssumeRole"}
)

// The codes for a request that AWS does not accept for how it is signed: at what time, by
// what secret key, with credentials that expired, with a key that AWS does not know, not
// at all, for an account without the service.
var (
	clockCodes       = []string{"RequestExpired", "RequestTimeTooSkewed"}
	signatureCodes   = []string{"SignatureDoesNotMatch", "IncompleteSignature"}
	expiredCodes     = []string{"ExpiredToken", "ExpiredTokenException"}
	unknownKeyCodes  = []string{"InvalidClientTokenId", "UnrecognizedClientException", "InvalidAccessKeyId", "AuthFailure"}
	unsignedCodes    = []string{"MissingAuthenticationToken", "MissingAuthenticationTokenException"}
	notSignedUpCodes = []string{"OptInRequired"}
)

// packedTooLarge are the codes for a session policy and session tags that are too large.
var packedTooLarge = []string{"PackedPolicyTooLarge", "PackedPolicyTooLargeException"}

// remedies are tried in order. The messages are AWS's of 2026; if AWS changes one,
// its own words are shown alone.
var remedies = []advice{
	// The controller's own credentials.
	{[]string{"SignatureDoesNotMatch"}, nil, "Signature expired", setClock},
	{[]string{"SignatureDoesNotMatch"}, nil, "not yet current", setClock},
	{clockCodes, nil, "", setClock},
	{[]string{"SignatureDoesNotMatch"}, nil, "Credential should be scoped", "the controller's AWS_REGION and AWS_ENDPOINT_URL do not fit together: correct them"},
	{signatureCodes, nil, "",
		controllerCredentials + "their secret key is wrong, or a proxy modifies requests on the way"},
	{[]string{"ExpiredTokenException"}, webIdentityOperations, "",
		"the token in AWS_WEB_IDENTITY_TOKEN_FILE has to be a projected one, which the kubelet renews, and not a copy; if it is, synchronize the clock of the controller's node"},
	{expiredCodes, nil, "",
		controllerCredentials + "they expired; have whatever provides them renew them"},
	{unknownKeyCodes, nil, "",
		controllerCredentials + "they were deleted or deactivated, belong to another partition, or the Region is not enabled in their account"},
	{unsignedCodes, nil, "", controllerCredentials + "provide some, or check whether a proxy drops headers"},
	{notSignedUpCodes, nil, "", controllerCredentials + "their AWS account is not signed up for the service"},
	{[]string{"InvalidIdentityToken"}, nil, "audience",
		"project the controller's token with the audience sts.amazonaws.com, and have that among the client IDs of the IAM OIDC provider"},
	{[]string{"InvalidIdentityToken"}, nil, "not a valid JWT",
		"AWS_WEB_IDENTITY_TOKEN_FILE has to be a projected token of the controller's ServiceAccount"},
	{[]string{"InvalidIdentityToken"}, nil, "verification key", publishKeys},
	{[]string{"InvalidIdentityToken"}, nil, "could not be validated", publishKeys},
	{[]string{"IDPCommunicationError"}, nil, "", publishKeys},
	{[]string{"InvalidIdentityToken", "IDPRejectedClaim"}, nil, "",
		"create the IAM OIDC provider of this cluster in the account of the controller's role, and have the role's trust policy name it"},
	{[]string{"AccessDenied"}, nil, "sts:AssumeRoleWithWebIdentity",
		"have the trust policy of the controller's own role allow this cluster's OIDC provider and, as its subject, the controller's ServiceAccount"},
	{[]string{"AccessDenied"}, nil, "iam:RemoveRoleFromInstanceProfile",
		"somebody put the role into this instance profile: take it out, or have the administrator of the controller allow it to, by the statement LeaveInstanceProfiles of examples/iam/optional-statements.json"},
	{[]string{"AccessDenied"}, nil, "to perform: iam:",
		"the controller's own permissions do not include this: compare its IAM policy with examples/iam/controller-policy.json, and look for a boundary or an organization's policy"},

	// Sessions.
	{[]string{"RegionDisabledException"}, nil, "",
		"activate STS for this Region in that account (IAM console, Account settings), or run the controller with an AWS_REGION that is active there"},
	{[]string{"ValidationError"}, nil, "exceeds the MaxSessionDuration",
		"raise the role's maximum session duration, or ask for less in iam.amazonaws.com/session-duration or roleSessionDuration"},
	{packedTooLarge, nil, "Packed size of session tags", fewerTags},
	{packedTooLarge, nil, "",
		"what counts is the size of session policy and session tags together once STS has packed them, whatever the number of characters: shorten iam.amazonaws.com/session-policy or sessionPolicy, " +
			"by wildcards for example, because long names that have nothing in common take most; or " + fewerTags},
	{[]string{"MalformedPolicyDocument"}, sessionOperations, "", "correct iam.amazonaws.com/session-policy or sessionPolicy"},
	{[]string{"InvalidParameterValue"}, nil, "transitive tag key", disableTags},

	// Roles and policies.
	{[]string{"NoSuchEntity"}, nil, "role with name", "a new role is visible in IAM only after some seconds; " + retried},
	{[]string{"NoSuchEntity", "PolicyNotAttachable"}, boundaryOperations, "",
		"this is the controller's --permissions-boundary: its administrator has to create the policy or correct the flag; " + retried},
	{[]string{"NoSuchEntity"}, attachOperations, "",
		"correct iam.amazonaws.com/managed-policies, or create the policy in the account of the role; " + retried},
	{[]string{"PolicyNotAttachable"}, attachOperations, "",
		"AWS reserves this policy for roles of its own services: use another one in iam.amazonaws.com/managed-policies"},
	{[]string{"MalformedPolicyDocument"}, trustPolicyOperations, "Invalid principal",
		"this is the controller's own role, which IAM does not know, or not yet: if this persists, correct --controller-role-arn or --assume-role; " + retried},
	{[]string{"MalformedPolicyDocument"}, inlinePolicyOperations, "", "correct iam.amazonaws.com/role-policy"},
	{[]string{"LimitExceeded"}, nil, "PoliciesPerRole",
		"name fewer policies in iam.amazonaws.com/managed-policies, or have an administrator raise the quota in Service Quotas; " + retried},
	{[]string{"LimitExceeded"}, nil, "Maximum policy size",
		"this quota cannot be raised: shorten iam.amazonaws.com/role-policy, or move part of it to a managed policy"},
	{[]string{"LimitExceeded"}, nil, "ACLSizePerRole",
		"the controller writes this trust policy: have an administrator raise the quota for the length of trust policies in Service Quotas; " + retried},
	{[]string{"LimitExceeded"}, nil, "RolesPerAccount",
		"the account is full: have an administrator delete roles or raise the quota in Service Quotas; " + retried},
	{[]string{"LimitExceeded"}, nil, "", "this is a quota: ask for less, or have an administrator raise it in Service Quotas; " + retried},
	{[]string{"UnmodifiableEntity"}, nil, "", "AWS manages this role for one of its services"},

	// Temporary failures.
	{[]string{"ConcurrentModification", "EntityTemporarilyUnmodifiable", "DeleteConflict"}, nil, "",
		"something else is changing the role at the same time; " + retried},
	{[]string{"Throttling", "ThrottlingException", "ThrottledException", "RequestThrottled", "RequestLimitExceeded", "TooManyRequestsException", "SlowDown"}, nil, "",
		"AWS limits the request rate of the whole account; " + retried + ", and if this persists, lower --iam-qps or --sts-qps"},
	{[]string{"ServiceFailure", "InternalFailure", "InternalError", "ServiceUnavailable"}, nil, "", "this is a failure within AWS; " + retried},
}

// disableTags is for tags that the controller's own session passes on.
const disableTags = "the controller's own session passes tags on, as EKS Pod Identity makes it: disable session tags on its Pod Identity association"
