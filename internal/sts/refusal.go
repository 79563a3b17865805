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
type unfitError struct{ error }

// Is says so to those who can change the role.
func (unfitError) Is(target error) bool { return target == identity.ErrRoleUnfit }

func (u unfitError) Unwrap() error { return u.error }

// refusal puts into words why there is no session of a role: what was asked for,
// what is wrong with it and what to do about it. It makes no call.
func (a *Assumer) refusal(want identity.Desired, role identity.RoleReference, session time.Duration, err error) error {
	answer, _, answered := awserr.Answer(err)
	switch {
	case isUntaggable(err):
		return unfitError{awserr.Plain(err, "%s; %s", awserr.Words(answer), a.tagAdvice(want))}
	case isConflicting(err):
		return unfitError{awserr.Plain(err, "%s: %s (%s)", answer.ErrorCode(), conflict, answer.ErrorMessage())}
	case awserr.IsDenied(err):
		why, late := a.denial(want, role, answer.ErrorMessage())
		err = awserr.Plain(err, "%s: %s (%s)", answer.ErrorCode(), why, answer.ErrorMessage())
		if late {
			return notAssumableError{err}
		}
		return unfitError{err}
	case answered && isTooLong(err):
		return unfitError{awserr.Describe(awserr.About(fmt.Sprintf("a session of %s was asked for", session), err))}
	default:
		return awserr.Describe(err)
	}
}

// denial says why STS denied a role and what to do about it, and whether the role
// may only be late. STS names the kind of policy that denies, as in
// https://docs.aws.amazon.com/IAM/latest/UserGuide/troubleshoot_access-denied.html,
// but for trust policies, and does not tell a role that does not exist from one that
// trusts somebody else.
func (a *Assumer) denial(want identity.Desired, role identity.RoleReference, said string) (why string, late bool) {
	for _, policy := range []string{"identity-based policy", "permissions boundary", "session policy"} {
		if strings.Contains(said, policy) {
			return fmt.Sprintf("the controller's own permissions do not allow it to assume %s: its administrator has to allow sts:AssumeRole on the role to %s",
				role, a.self()), false
		}
	}
	for _, policy := range []string{"service control policy", "resource control policy", "VPC endpoint policy"} {
		if strings.Contains(said, policy) {
			return fmt.Sprintf("a %s forbids %s to assume %s: ask whoever administers that policy to change it", policy, a.self(), role), false
		}
	}
	if carries, known := a.carried.latest(); want.Managed != nil && known && carries {
		return "the roles that the controller makes refuse a session with tags of EKS Pod Identity, and " + carried + disableTags, false
	}
	return a.distrust(want, role), true
}

// distrust says why a trust policy, or the lack of a role, may have denied it.
func (a *Assumer) distrust(want identity.Desired, role identity.RoleReference) string {
	presented := "under the external ID " + identity.Quote(want.ExternalID)
	if want.Managed != nil {
		presented += " and the session name " + identity.Quote(Name(want, role)) // which those roles demand
		return fmt.Sprintf("the role that the controller made cannot be assumed by %s %s: it is not ready yet, or its trust policy was changed, which will be corrected; it is retried%s",
			a.self(), presented, a.suspicion())
	}
	return fmt.Sprintf("the role %sdoes not exist in account %s, or does not trust %s %s: check its path and name, letter case included, and %s",
		unlessSaid(want, role), role.Account, a.self(), presented, a.compare(want))
}

// suspicion names one more cause of the refusal of a role that the controller made,
// "" where that is not to be suspected. STS does not tell which condition of a trust
// policy is not met.
func (a *Assumer) suspicion() string {
	if _, known := a.carried.latest(); known || !a.podIdentity {
		return ""
	}
	return ". The controller runs under EKS Pod Identity: if its session carries tags, the roles that it makes refuse it; then " + disableTags
}

// compare says how to find out what a trust policy lacks. The command takes no empty
// name of a cluster.
func (a *Assumer) compare(want identity.Desired) string {
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
func unlessSaid(want identity.Desired, role identity.RoleReference) string {
	if want.Role.String() == role.String() {
		return ""
	}
	return role.String() + " "
}

// self names the controller as trust policies have to.
func (a *Assumer) self() string {
	if arn, known := a.knownPrincipal(); known {
		return arn + " (this controller)"
	}
	if who := a.own.caller.told.Load(); who != nil {
		return fmt.Sprintf("the role named %s of account %s (this controller)", who.role.Name, who.account)
	}
	return "this controller"
}

// isTooLong recognises the refusal of a session that the role does not allow to be
// so long. The code is that of any invalid parameter.
func isTooLong(err error) bool {
	return awserr.Code(err) == "ValidationError" && strings.Contains(err.Error(), "MaxSessionDuration")
}

// isUntaggable recognises the refusal of session tags, which take a permission of
// their own: https://docs.aws.amazon.com/IAM/latest/UserGuide/id_session-tags.html.
func isUntaggable(err error) bool {
	return awserr.IsDenied(err) && strings.Contains(err.Error(), "sts:TagSession")
}

// tagAdvice says what to do about that. Tags that the controller does not pass are
// those of its own session, which EKS Pod Identity makes transitive.
func (a *Assumer) tagAdvice(want identity.Desired) string {
	const allow = "have the role's trust policy allow sts:TagSession, as in the one that the command trust-policy prints, or "
	if a.tags(want) == nil {
		return allow + "disable session tags on the controller's EKS Pod Identity association: they are passed on"
	}
	return allow + "run the controller without --session-tags (under EKS Pod Identity also disable session tags on its association)"
}
