package identity

import "time"

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
}
