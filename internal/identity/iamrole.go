package identity

import (
	"errors"
	"time"
)

// ErrRoleGone says that a role that was known by its unique id is not there any
// more.
var ErrRoleGone = errors.New("the role was deleted by somebody else")

// ErrNotAssumable says that STS does not let a role be assumed, or does not know it.
// That is so, for some seconds, of each role that was just made or changed.
var ErrNotAssumable = errors.New("the role cannot be assumed")

// ErrRoleUnfit says that STS refuses a session, perhaps for what the role is like in
// IAM: how long its sessions may be, whether they may have tags, or whom it trusts.
var ErrRoleUnfit = errors.New("the role does not allow such a session")

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
