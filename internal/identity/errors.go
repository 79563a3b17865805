package identity

import "errors"

// An InvalidError says that an object asks for something that cannot be
// meant. Only the object's author can mend it, so it is not retried.
type InvalidError struct {
	// Reason is the event's.
	Reason string
	// Message names the value, what is wrong with it and the remedy.
	Message string
}

// Error returns the message.
func (e *InvalidError) Error() string { return e.Message }

// A StepError says which step of serving an identity failed. It is retried.
type StepError struct {
	// Reason and Message are the event's.
	Reason, Message string
	Err             error
	// Soon says that it may be well by itself in a moment: what was written
	// to IAM is not seen everywhere at once.
	Soon bool
}

// Error returns the message.
func (e *StepError) Error() string { return e.Message }

// Unwrap returns the cause.
func (e *StepError) Unwrap() error { return e.Err }

// ErrRoleGone says that a role that was known by its unique id is not there any
// more.
var ErrRoleGone = errors.New("the role was deleted by somebody else")

// ErrNotAssumable says that STS does not let a role be assumed, or does not know it.
// That is so, for some seconds, of each role that was just made or changed.
var ErrNotAssumable = errors.New("the role cannot be assumed")

// ErrRoleUnfit says that STS refuses a session, perhaps for what the role is like in
// IAM: how long its sessions may be, whether they may have tags, or whom it trusts.
var ErrRoleUnfit = errors.New("the role does not allow such a session")
