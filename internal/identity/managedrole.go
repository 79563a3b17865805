package identity

import "time"

// ManagedRole is an IAM role that the controller makes for an object.
type ManagedRole struct {
	// Policy is its inline policy, as compact JSON, "" for none.
	Policy string
	// ManagedPolicies are the ARNs of those attached to it, in order, each
	// once.
	ManagedPolicies []string
}

// Role is an IAM role of an object's own, as it is in AWS.
type Role struct {
	ARN RoleReference
	// ID is its unique id, AROA….
	ID string
	// Created says that it was made just now.
	Created bool
	// Since is when it was made.
	Since time.Time
	// Changed names what differed from what is asked for and was corrected.
	Changed []string
	// Renewed says that its trust policy, which was as a version before made it, is as
	// this one does.
	Renewed bool
	// Kept is why it is left as it was, "" if it is not.
	Kept string
}

// ClusterUIDKind is what of a role was changed when it was given the tag with the
// UID of its cluster. Nobody else had changed that: it was made before there was the
// tag, or was adopted.
const ClusterUIDKind = "cluster-uid"
