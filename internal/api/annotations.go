// Package api defines the names that users see and rely on: annotations, labels,
// the finalizer, keys of Secrets, tags of IAM roles and reasons of events. They are
// the interface of the product: changing one is a breaking change.
package api

// Prefix is the prefix of the controller's annotation and label keys.
const Prefix = "iam.amazonaws.com/"

// Annotations of ServiceAccounts that request an identity and configure it.
const (
	RoleAnnotation            = Prefix + "role"
	RolePolicyAnnotation      = Prefix + "role-policy"
	ManagedPoliciesAnnotation = Prefix + "managed-policies"
	SessionPolicyAnnotation   = Prefix + "session-policy"
	SessionDurationAnnotation = Prefix + "session-duration"
	RegionAnnotation          = Prefix + "region"
	DeliveryAnnotation        = Prefix + "delivery"
	DeletionPolicyAnnotation  = Prefix + "deletion-policy"
)

// Values of DeletionPolicyAnnotation.
const (
	DeletionPolicyDelete = "Delete"
	DeletionPolicyRetain = "Retain"
)

// RoleARNAnnotation is the ARN of the role. The controller writes it to Secrets, and
// back to ServiceAccounts once the role is known.
const RoleARNAnnotation = Prefix + "role-arn"

// Annotations of ServiceAccounts that the webhook of EKS reads:
// https://github.com/aws/amazon-eks-pod-identity-webhook#eks-walkthrough. The first one
// requests a role of this controller as well, if it is told so.
const (
	IRSAAnnotation         = "eks.amazonaws.com/role-arn"
	IRSAAudienceAnnotation = "eks.amazonaws.com/audience"
	// IRSAExpirationAnnotation is the lifetime of the token, in seconds.
	IRSAExpirationAnnotation = "eks.amazonaws.com/token-expiration"
	// IRSARegionalAnnotation is a boolean: whether pods use the STS of their Region.
	IRSARegionalAnnotation = "eks.amazonaws.com/sts-regional-endpoints"
)

// Annotations of Secrets that record what their credentials were issued for. The
// controller also writes SessionPolicyAnnotation and SessionDurationAnnotation to Secrets.
const (
	ExpirationAnnotation = Prefix + "expiration"
	ExternalIDAnnotation = Prefix + "external-id"
	SpecHashAnnotation   = Prefix + "spec-hash"
	// RoleIDAnnotation is the unique ID of a managed role.
	RoleIDAnnotation = Prefix + "role-id"
	// RoleLastUsedAnnotation is when a managed role was last used.
	RoleLastUsedAnnotation = Prefix + "role-last-used"
	// PolicyHashAnnotation is a hash of the policies of a managed role.
	PolicyHashAnnotation = Prefix + "policy-hash"
	// ExternalIDProvenAnnotation is when the role was last seen to reject a wrong
	// external ID.
	ExternalIDProvenAnnotation = Prefix + "external-id-proven"
)

// Annotations of Namespaces that restrict which roles their objects may use.
const (
	AllowedRolesAnnotation = Prefix + "allowed-roles"
	PermittedAnnotation    = Prefix + "permitted"
	ManagedRolesAnnotation = Prefix + "managed-roles"
)

// Annotations of Pods.
const (
	// SkipContainersAnnotation lists the containers that are left unchanged.
	SkipContainersAnnotation = Prefix + "skip-containers"
	// RefusedAnnotation is the reason why the admission policy rejects a pod.
	RefusedAnnotation = Prefix + "refused"
)

// ReplicasAnnotation on the Lease is how many replicas the Deployment had before it was
// scaled to zero for uninstalling, while that goes on.
const ReplicasAnnotation = Prefix + "replicas"
