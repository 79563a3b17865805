// Package api holds the names that users see and rely on: annotations, labels,
// the finalizer, keys of Secrets, tags of IAM roles and reasons of events. They are
// the product's interface: a change of one is a breaking change.
package api

// Prefix starts every annotation and label key of the controller.
const Prefix = "iam.amazonaws.com/"

// Annotations of ServiceAccounts that say which identity they ask for.
const (
	RoleAnnotation            = Prefix + "role"
	RolePolicyAnnotation      = Prefix + "role-policy"
	ManagedPoliciesAnnotation = Prefix + "managed-policies"
	SessionDurationAnnotation = Prefix + "session-duration"
	RegionAnnotation          = Prefix + "region"
	DeliveryAnnotation        = Prefix + "delivery"
	DeletionPolicyAnnotation  = Prefix + "deletion-policy"
)

// RoleARNAnnotation is what the controller writes back on ServiceAccounts once the
// role is known, and on Secrets.
const RoleARNAnnotation = Prefix + "role-arn"

// Annotations of Secrets that say what their credentials were issued for. On
// Secrets the controller writes SessionDurationAnnotation, too.
const (
	ExpirationAnnotation = Prefix + "expiration"
	ExternalIDAnnotation = Prefix + "external-id"
	SpecHashAnnotation   = Prefix + "spec-hash"
	// RoleIDAnnotation is the unique ID of a managed role.
	RoleIDAnnotation = Prefix + "role-id"
	// ExternalIDProvenAnnotation is when the role was last seen to refuse another
	// external ID.
	ExternalIDProvenAnnotation = Prefix + "external-id-proven"
)

// Annotations of Namespaces that say which roles their objects may use.
const (
	AllowedRolesAnnotation = Prefix + "allowed-roles"
	PermittedAnnotation    = Prefix + "permitted"
	ManagedRolesAnnotation = Prefix + "managed-roles"
)

// SkipContainersAnnotation names the containers of a Pod that are given nothing.
const SkipContainersAnnotation = Prefix + "skip-containers"
