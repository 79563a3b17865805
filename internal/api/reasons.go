package api

// Reasons of events and conditions. The first six are those of the predecessor.
const (
	CreateCredentials    = "CreateCredentials"
	UpdateCredentials    = "UpdateCredentials"
	GetCredentialsFailed = "GetCredentialsFailed"
	CreateSecretFailed   = "CreateSecretFailed"
	UpdateSecretFailed   = "UpdateSecretFailed"
	ReadSecretFailed     = "ReadSecretFailed"
	SecretConflict       = "SecretConflict"
	InvalidAnnotation    = "InvalidAnnotation"
	UnknownAnnotation    = "UnknownAnnotation"
	ProvisioningDisabled = "ProvisioningDisabled"
	CredentialsIssued    = "CredentialsIssued"
	RoleCreated          = "RoleCreated"
	RoleUpdated          = "RoleUpdated"
	RoleDriftCorrected   = "RoleDriftCorrected"
	RoleDeleted          = "RoleDeleted"
	RoleNotOwned         = "RoleNotOwned"
	ProvisionFailed      = "ProvisionFailed"
	RoleNotPermitted     = "RoleNotPermitted"

	ExternalIDNotEnforced = "ExternalIDNotEnforced"
	TrustPolicyOutdated   = "TrustPolicyOutdated"
	AdmissionSkipped      = "AdmissionSkipped"
	PolicyHint            = "PolicyHint"
)
