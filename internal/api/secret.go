package api

// ControllerName identifies the controller in labels and tags, as the field manager
// and event source in Kubernetes, and as the name of inline policies and the
// application ID in AWS.
const ControllerName = "kube-aws-iam-controller"

// SecretSuffix is appended to the name of a ServiceAccount to name its Secret. It is
// reserved: an AWSIAMRole with such a name would need a Secret of the same name.
const SecretSuffix = ".aws-iam"

// Keys of a Secret's data.
const (
	RoleARNKey            = "role-arn"
	ExpireKey             = "expire"
	CredentialsKey        = "credentials"
	CredentialsProcessKey = "credentials.process"
	CredentialsJSONKey    = "credentials.json"
	// GenerationKey exists only in Secrets of AWSIAMRoles.
	GenerationKey = "awsiamrole-generation"
	// AuthorizationTokenKey exists only in Secrets of ServiceAccounts.
	AuthorizationTokenKey = "authorization-token"
)
