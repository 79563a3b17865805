package identity

import "errors"

// An InvalidError reports a request that cannot be served as written. Only the
// author of the object can correct it, so it is not retried.
type InvalidError struct {
	// Reason is the reason of the event, one of those in the package api.
	Reason string
	// Message names the value, what is wrong with it, and the remedy.
	Message string
	// RuleMalformed reports that a namespace rule which cannot be parsed refuses the
	// role. That withdraws nothing: credentials that were issued before are kept.
	RuleMalformed bool
}

// Error implements error.
func (e *InvalidError) Error() string { return e.Message }

// A StepError reports which step of serving an identity failed. It is retried.
type StepError struct {
	// Reason and Message are those of the event.
	Reason, Message string
	Err             error
	// Transient reports that the failure is expected to resolve by itself within
	// seconds, because IAM is eventually consistent.
	Transient bool
}

// Error implements error.
func (e *StepError) Error() string { return e.Message }

// Unwrap returns the cause.
func (e *StepError) Unwrap() error { return e.Err }

// ErrRoleGone reports that the managed role with a known unique ID no longer
// exists.
var ErrRoleGone = errors.New("the role was deleted by somebody else")

// ErrNotAssumable reports that STS denies access to a role or does not know it. For
// some seconds this is true of every role that was just created or changed.
var ErrNotAssumable = errors.New("the role cannot be assumed")

// ErrRoleUnfit reports that STS refuses a session and that the role's configuration
// in IAM may be the cause: its maximum session duration, its trust policy, or
// missing permission for session tags.
var ErrRoleUnfit = errors.New("the role does not allow such a session")

// ErrOutage reports that STS did not look at what was asked of it: it, the way to it, or
// the controller's own credentials failed, for all identities alike.
var ErrOutage = errors.New("STS did not serve the request")
