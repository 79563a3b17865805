package identity

import "time"

// ManagedRole specifies an IAM role that the controller creates for an object.
type ManagedRole struct {
	// Policy is the inline policy as compact JSON, "" for none.
	Policy string
	// ManagedPolicies are the ARNs of the managed policies to attach, sorted and
	// unique.
	ManagedPolicies []string
}

// Role is the state of a managed role in IAM.
type Role struct {
	ARN RoleReference
	// ID is the unique ID of the role, AROA….
	ID string
	// Created reports that this call created the role.
	Created bool
	// Since is the creation time of the role.
	Since time.Time
	// Used is when the role was last used, as far as IAM was asked.
	Used RoleUse
	// Changed lists what differed from the specification and was corrected.
	Changed []string
	// TrustRenewed reports that the trust policy was upgraded from the form that earlier
	// versions of the controller wrote.
	TrustRenewed bool
	// TrustOutdated is the reason why a trust policy of that earlier form was left
	// unchanged, "" if it was not.
	TrustOutdated string
}

// InlinePolicyKind is the entry of Role.Changed for the inline policy.
const InlinePolicyKind = "inline-policy"

// ManagedPoliciesKind is the entry of Role.Changed for the attached managed policies.
const ManagedPoliciesKind = "managed-policies"

// ClusterUIDKind is the entry of Role.Changed for a role that received the tag with
// the UID of its cluster. This is not drift: the role predates the tag or was
// adopted from another cluster.
const ClusterUIDKind = "cluster-uid"
