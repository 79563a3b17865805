package iamprovision

import (
	"errors"
	"fmt"
	"strings"

	"github.com/aws/aws-sdk-go-v2/service/iam/types"

	"kube-aws-iam-controller/internal/api"
	"kube-aws-iam-controller/internal/awserr"
	"kube-aws-iam-controller/internal/identity"
)

// provisionError returns err as an *identity.StepError that names the role.
func provisionError(role string, err error) error {
	if _, ok := errors.AsType[*identity.StepError](err); ok {
		return err
	}
	return &identity.StepError{
		Reason:    api.ProvisionFailed,
		Message:   fmt.Sprintf("Failed to provision role '%s': %v", role, awserr.Describe(err)),
		Err:       err,
		Transient: isTransient(role, err),
	}
}

func notOwned(role, why string) error {
	return &identity.StepError{
		Reason:  api.RoleNotOwned,
		Message: fmt.Sprintf("Role '%s' exists but does not belong to this ServiceAccount: %s. It was not changed. Delete it if it is not needed", role, why),
		Err:     errors.New(why),
	}
}

func isMissing(err error) bool {
	var missing *types.NoSuchEntityException
	return errors.As(err, &missing)
}

func isOverQuota(err error) bool {
	var limit *types.LimitExceededException
	return errors.As(err, &limit)
}

func isAlreadyExists(err error) bool {
	var taken *types.EntityAlreadyExistsException
	return errors.As(err, &taken)
}

// ignoreMissing returns nil if what was to be removed does not exist.
func ignoreMissing(err error) error {
	if isMissing(err) {
		return nil
	}
	return err
}

// isTransient reports whether IAM refuses a request only because it is eventually
// consistent: for some seconds after a role or its principal was created or
// changed. All other refusals have to be corrected by somebody and are reported at
// once:
// https://docs.aws.amazon.com/IAM/latest/UserGuide/troubleshoot.html#troubleshoot_general_eventual-consistency.
//
// The error code is not sufficient: NoSuchEntity is also returned for a managed
// policy or a permissions boundary that does not exist, which only the message
// tells.
func isTransient(role string, err error) bool {
	if errors.Is(err, errNotVisible) {
		return true
	}
	answer, operation, answered := awserr.Answer(err)
	if !answered {
		return false
	}
	switch answer.ErrorCode() {
	case "NoSuchEntity":
		return strings.Contains(answer.ErrorMessage(), "role with name "+role+" ")
	case "MalformedPolicyDocument":
		return strings.HasPrefix(answer.ErrorMessage(), "Invalid principal in policy")
	case "AccessDenied":
		// The controller's permissions depend on the tags of the role, which may
		// not be visible yet. Creating a role does not depend on them, and
		// instance profiles have tags of their own.
		return awserr.IsDenied(err) && operation != "CreateRole" && operation != "RemoveRoleFromInstanceProfile"
	default:
		return false
	}
}
