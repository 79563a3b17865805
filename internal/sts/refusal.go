package sts

import (
	"fmt"
	"strings"
	"time"

	"kube-aws-iam-controller/internal/awserr"
	"kube-aws-iam-controller/internal/identity"
)

// notAssumableError is a refusal that a role which was just made brings about as well.
type notAssumableError struct{ error }

// Is says so to those who wait for such roles.
func (notAssumableError) Is(target error) bool { return target == identity.ErrNotAssumable }

func (n notAssumableError) Unwrap() error { return n.error }

// unfitError is a refusal of a session that the role in IAM does not allow.
type roleUnfitError struct{ error }

// Is says so to those who can change the role.
func (roleUnfitError) Is(target error) bool { return target == identity.ErrRoleUnfit }

func (u roleUnfitError) Unwrap() error { return u.error }

// refusal puts into words why there is no session of a role: what was asked for,
// what is wrong with it and what to do about it. It makes no call.
func (a *Assumer) refusalError(want identity.Desired, role identity.RoleReference, session time.Duration, err error) error {
	answer, _, answered := awserr.Answer(err)
	switch {
	case isUntaggable(err):
		return roleUnfitError{awserr.Plain(err, "%s; %s", awserr.Words(answer), a.tagAdvice(want))}
	case isConflicting(err):
		return roleUnfitError{awserr.Plain(err, "%s: %s (%s)", answer.ErrorCode(), tagConflict, answer.ErrorMessage())}
	case awserr.IsDenied(err):
		why, late := a.denialReason(want, role, answer.ErrorMessage())
		err = awserr.Plain(err, "%s: %s (%s)", answer.ErrorCode(), why, answer.ErrorMessage())
		if late {
			return notAssumableError{err}
		}
		return roleUnfitError{err}
	case answered && isTooLong(err):
		return roleUnfitError{awserr.Describe(awserr.About(fmt.Sprintf("a session of %s was asked for", session), err))}
	default:
		return awserr.Describe(err)
	}
}

// denial says why STS denied a role and what to do about it, and whether the role
// may only be late. STS names the kind of policy that denies, as in
// https://docs.aws.amazon.com/IAM/latest/UserGuide/troubleshoot_access-denied.html,
// but for trust policies, and does not tell a role that does not exist from one that
// trusts somebody else.
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

// distrust says why a trust policy, or the lack of a role, may have denied it.
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

// suspicion names one more cause of the refusal of a role that the controller made,
// "" where that is not to be suspected. STS does not tell which condition of a trust
// policy is not met.
func (a *Assumer) podIdentityHint() string {
	if _, known := a.transitiveTags.latest(); known || !a.podIdentity {
		return ""
	}
	return ". The controller runs under EKS Pod Identity: if its session carries tags, the roles that it makes refuse it; then " + disableTags
}

// compare says how to find out what a trust policy lacks. The command takes no empty
// name of a cluster.
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

// unlessSaid returns a role's ARN where what was asked for is not that already.
func unlessRequested(want identity.Desired, role identity.RoleReference) string {
	if want.Role.String() == role.String() {
		return ""
	}
	return role.String() + " "
}

// self names the controller as trust policies have to.
func (a *Assumer) principalText() string {
	if arn, known := a.knownPrincipal(); known {
		return arn + " (this controller)"
	}
	if who := a.caller.answer.value.Load(); who != nil {
		return fmt.Sprintf("the role named %s of account %s (this controller)", who.role.Name, who.account)
	}
	return "this controller"
}

// isTooLong recognises the refusal of a session that the role does not allow to be
// so long. The code is that of any invalid parameter.
func isTooLong(err error) bool {
	return awserr.Code(err) == "ValidationError" && strings.Contains(err.Error(), "MaxSessionDuration")
}
