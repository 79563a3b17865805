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

// failed says which step of provisioning failed.
func provisionError(role string, err error) error {
	if _, ok := errors.AsType[*identity.StepError](err); ok {
		return err
	}
	return &identity.StepError{
		Reason:  api.ProvisionFailed,
		Message: fmt.Sprintf("Failed to provision role '%s': %v", role, awserr.Describe(err)),
		Err:     err,
		Soon:    isTransient(role, err),
	}
}

func notOwned(role, why string) error {
	return &identity.StepError{
		Reason:  api.RoleNotOwned,
		Message: fmt.Sprintf("Role '%s' exists and is not this ServiceAccount's: %s; nothing in it was changed, delete or rename it", role, why),
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

// gone takes what is not there for what was taken away.
func ignoreMissing(err error) error {
	if isMissing(err) {
		return nil
	}
	return err
}

// soon says whether a failure is one that a role brings about by itself for some
// seconds after it, or its principal, was made or changed, because IAM shows what
// was written only after a while. Whatever else IAM refuses, somebody has to mend,
// so it must not be waited for:
// https://docs.aws.amazon.com/IAM/latest/UserGuide/troubleshoot.html#troubleshoot_general_eventual-consistency.
//
// The code alone does not tell: NoSuchEntity is also that of a managed policy or a
// permissions boundary that does not exist, and IAM's message says which it is.
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
		// The controller may change a role that carries its tags, and those are
		// seen late. To create one it needs none, and instance profiles have
		// others.
		return awserr.IsDenied(err) && operation != "CreateRole" && operation != "RemoveRoleFromInstanceProfile"
	default:
		return false
	}
}
