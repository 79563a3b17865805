package sts

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/aws/smithy-go"

	"kube-aws-iam-controller/internal/awserr"
	"kube-aws-iam-controller/internal/identity"
)

// notAssumableError wraps a refusal that may be due to a role having just been
// created.
type notAssumableError struct{ error }

// Is matches identity.ErrNotAssumable.
func (notAssumableError) Is(target error) bool { return target == identity.ErrNotAssumable }

func (n notAssumableError) Unwrap() error { return n.error }

// roleUnfitError wraps a refusal that the configuration of the role causes.
type roleUnfitError struct{ error }

// Is matches identity.ErrRoleUnfit.
func (roleUnfitError) Is(target error) bool { return target == identity.ErrRoleUnfit }

func (u roleUnfitError) Unwrap() error { return u.error }

// refusalError explains why STS refused a session: what was requested, what is
// wrong with it, and the remedy. It makes no call.
func (a *Assumer) refusalError(want identity.Desired, role identity.RoleReference, session time.Duration, err error) error {
	answer, _, answered := awserr.Answer(err)
	switch {
	case isUntaggable(err):
		return denied(answer, awserr.Plain(err, "%s; %s", awserr.Words(answer), a.tagAdvice(want)))
	case isUnidentifiable(err):
		return denied(answer, awserr.Plain(err, "%s; the controller's own session has a source identity, as one of IAM Roles Anywhere has, which every role has to accept: "+
			"have the trust policy of the role, and the controller's own policy, allow sts:SetSourceIdentity, and for managed roles run the controller with --allow-source-identity", awserr.Words(answer)))
	case isConflicting(err):
		return roleUnfitError{awserr.Plain(err, "%s: %s (%s)", answer.ErrorCode(), tagConflict, answer.ErrorMessage())}
	case awserr.IsDenied(err):
		why, late := a.denialReason(want, role, answer.ErrorMessage())
		err = awserr.Plain(err, "%s: %s (%s)", answer.ErrorCode(), why, answer.ErrorMessage())
		if late {
			return notAssumableError{err}
		}
		return denied(answer, err)
	case answered && isTooLong(err):
		return roleUnfitError{awserr.Describe(awserr.About(fmt.Sprintf("a session of %s was asked for", session), err))}
	default:
		return describe(err)
	}
}

// otherPolicies is how STS words that a policy denies access that is none of the role's,
// so that asking IAM about the role would be in vain. Not among them is that no
// identity-based policy allows it: the controller needs none, unless the trust policy of
// the role was changed and does not name it any more.
var otherPolicies = []string{
	"explicit deny in an identity-based policy", "permissions boundary", "session policy",
	"service control policy", "VPC endpoint policy",
}

// denied returns err, the explanation of a denial, as one that the configuration of the
// role may cause, unless STS said that it does not.
func denied(answer smithy.APIError, err error) error {
	if isByOtherPolicy(answer.ErrorMessage()) {
		return err
	}
	return roleUnfitError{err}
}

func isByOtherPolicy(message string) bool {
	return slices.ContainsFunc(otherPolicies, func(policy string) bool { return strings.Contains(message, policy) })
}

// mayBeTrustPolicy reports whether the trust policy of the role can be what denies
// sts:AssumeRole. A denial of anything else tells nothing about its conditions.
func mayBeTrustPolicy(denial error) bool {
	return !isUntaggable(denial) && !isUnidentifiable(denial) && !isByOtherPolicy(denial.Error())
}

// isUnidentifiable recognizes the denial of the source identity that the controller's
// own session has, as one of IAM Roles Anywhere has.
func isUnidentifiable(denial error) bool {
	return awserr.IsDenied(denial) && strings.Contains(denial.Error(), "sts:SetSourceIdentity")
}

// denialReason returns why STS denied access to a role and the remedy, and whether
// the role may just not be ready yet. STS names the type of the denying policy
// (https://docs.aws.amazon.com/IAM/latest/UserGuide/troubleshoot_access-denied.html)
// except for trust policies, and does not distinguish a role that does not exist
// from one that trusts somebody else.
func (a *Assumer) denialReason(want identity.Desired, role identity.RoleReference, said string) (why string, late bool) {
	for _, policy := range []string{"identity-based policy", "permissions boundary", "session policy"} {
		if strings.Contains(said, policy) {
			return fmt.Sprintf("the controller's own permissions do not allow it to assume %s: its administrator has to allow sts:AssumeRole on the role to %s",
				role, a.principalText()), false
		}
	}
	for _, policy := range []string{"service control policy", "resource control policy", "VPC endpoint policy"} {
		if strings.Contains(said, policy) {
			return fmt.Sprintf("a %s forbids %s to assume %s: ask whoever administers that policy to change it", policy, a.principalText(), role), false
		}
	}
	if carries, known := a.transitiveTags.latest(); want.Managed != nil && known && carries {
		return "the roles that the controller makes refuse a session with tags of EKS Pod Identity, and " + tagsCarried + disableTags, false
	}
	return a.trustDenial(want, role), true
}

// trustDenial explains a denial due to the trust policy, or to the lack of the
// role.
func (a *Assumer) trustDenial(want identity.Desired, role identity.RoleReference) string {
	presented := "under the external ID " + identity.Quote(want.ExternalID)
	if want.Managed != nil {
		presented += " and the session name " + identity.Quote(SessionName(want, role)) // which those roles demand
		return fmt.Sprintf("the role that the controller made cannot be assumed by %s %s: it is not ready yet, or its trust policy was changed, which will be corrected; it is retried%s",
			a.principalText(), presented, a.podIdentityHint())
	}
	return fmt.Sprintf("the role %sdoes not exist in account %s, or does not trust %s %s: check its path and name, letter case included, and %s",
		unlessRequested(want, role), role.Account, a.principalText(), presented, a.compareAdvice(want))
}

// podIdentityHint returns an additional possible cause for the denial of a managed
// role, "" if it does not apply. STS does not tell which condition of a trust
// policy failed.
func (a *Assumer) podIdentityHint() string {
	if _, known := a.transitiveTags.latest(); known || !a.podIdentity {
		return ""
	}
	return ". The controller runs under EKS Pod Identity: if its session carries tags, the roles that it makes refuse it; then " + disableTags
}

// compareAdvice returns how to find out what a trust policy lacks. The command
// needs a cluster name.
func (a *Assumer) compareAdvice(want identity.Desired) string {
	if a.ClusterName == "" {
		return "check that its trust policy allows exactly that"
	}
	command := "kube-aws-iam-controller trust-policy " + want.Namespace + " --cluster-name=" + a.ClusterName
	if arn, known := a.knownPrincipal(); known {
		command += " --controller-role-arn=" + arn
	}
	return "compare its trust policy with what '" + command + "' prints"
}

// unlessRequested returns the ARN of a role unless the request already contains it.
func unlessRequested(want identity.Desired, role identity.RoleReference) string {
	if want.Role.String() == role.String() {
		return ""
	}
	return role.String() + " "
}

// principalText returns the controller's principal as trust policies have to name
// it.
func (a *Assumer) principalText() string {
	if arn, known := a.knownPrincipal(); known {
		return arn + " (this controller)"
	}
	if who := a.caller.answer.value.Load(); who != nil {
		return fmt.Sprintf("the role named %s of account %s (this controller)", who.role.Name, who.account)
	}
	return "this controller"
}

// isTooLong recognizes the rejection of a session that exceeds the role's maximum
// duration. Only the message distinguishes it from other invalid parameters.
func isTooLong(err error) bool {
	return awserr.Code(err) == "ValidationError" && strings.Contains(err.Error(), "MaxSessionDuration")
}
