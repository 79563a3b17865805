package identity

import (
	"errors"
	"fmt"

	"kube-aws-iam-controller/internal/api"
)

// ReasonOf returns the event reason of what went wrong for an identity.
func ReasonOf(err error) string {
	if invalid, is := errors.AsType[*InvalidError](err); is {
		return invalid.Reason
	}
	if step, is := errors.AsType[*StepError](err); is {
		return step.Reason
	}
	return api.GetCredentialsFailed
}

// NotAssumed returns err as what kept the role of want from being assumed. An
// *InvalidError says so itself.
func NotAssumed(want Desired, err error) error {
	if _, is := errors.AsType[*InvalidError](err); is || err == nil {
		return err
	}
	return &StepError{
		Reason:  api.GetCredentialsFailed,
		Message: fmt.Sprintf("Failed to get credentials for role '%s': %v", want.Role, err),
		Err:     err,
	}
}
