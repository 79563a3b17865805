package api

// ControllerName is the value of labels and tags that name the controller, its field
// manager in Kubernetes, and the component of its events.
const ControllerName = "kube-aws-iam-controller"

// SecretSuffix follows a ServiceAccount's name in the name of its Secret. No
// AWSIAMRole may have such a name, because its Secret would have it, too.
const SecretSuffix = ".aws-iam"

// Keys of a Secret's data.
const (
	RoleARNKey            = "role-arn"
	ExpireKey             = "expire"
	CredentialsKey        = "credentials"
	CredentialsProcessKey = "credentials.process"
	CredentialsJSONKey    = "credentials.json"
	// GenerationKey is only in Secrets of AWSIAMRoles.
	GenerationKey = "awsiamrole-generation"
	// AuthorizationTokenKey is only in Secrets of ServiceAccounts.
	AuthorizationTokenKey = "authorization-token"
)
