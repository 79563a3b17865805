package iamprovision

import (
	"errors"
	"strings"

	"kube-aws-iam-controller/internal/awserr"
)

// soon says whether a failure is one that a role brings about by itself for some
// seconds after it, or its principal, was made or changed, because IAM shows what
// was written only after a while. Whatever else IAM refuses, somebody has to mend,
// so it must not be waited for:
// https://docs.aws.amazon.com/IAM/latest/UserGuide/troubleshoot.html#troubleshoot_general_eventual-consistency.
//
// The code alone does not tell: NoSuchEntity is also that of a managed policy or a
// permissions boundary that does not exist, and IAM's message says which it is.
func soon(role string, err error) bool {
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
