package api

// The kinds of objects that request identities, as owner references and events
// name them. AWSIAMRole is the predecessor's custom resource.
const (
	ServiceAccountAPIVersion = "v1"
	ServiceAccountKind       = "ServiceAccount"

	AWSIAMRoleGroup      = "zalando.org"
	AWSIAMRoleVersion    = "v1"
	AWSIAMRoleAPIVersion = AWSIAMRoleGroup + "/" + AWSIAMRoleVersion
	AWSIAMRoleKind       = "AWSIAMRole"
)

// ReadyCondition is the condition of an AWSIAMRole that reports whether its Secret
// holds valid credentials.
const ReadyCondition = "Ready"
