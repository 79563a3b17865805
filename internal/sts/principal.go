package sts

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam"

	"kube-aws-iam-controller/internal/awserr"
	"kube-aws-iam-controller/internal/identity"
)

// Principal returns the ARN that trust policies have to name for the controller to
// assume their roles: that of AssumeRole if it is set, otherwise that of the role
// or user whose credentials the controller has.
//
// The ARN of a role's session lacks the path of the role, so IAM is asked, which
// takes iam:GetRole. If that is denied, or IAM returns another role,
// ControllerRoleARN is required.
//
// The result is cached: a role that is recreated keeps its ARN.
func (a *Assumer) Principal(ctx context.Context) (string, error) {
	found, err := a.principal.get(ctx, func(ctx context.Context) (*string, error) {
		arn, err := a.findPrincipal(ctx)
		return &arn, err
	})
	if err != nil {
		return "", err
	}
	return *found, nil
}

// Account returns the partition and account in which the controller creates roles:
// those of its principal. This takes no permission.
func (a *Assumer) Account(ctx context.Context) (identity.BaseRole, error) {
	who, err := a.caller.lookUp(ctx)
	if err != nil || a.AssumeRole == "" {
		return a.caller.accountOf(who), err
	}
	through, err := a.caller.intermediate.Resolve(a.caller.baseFor(who))
	return identity.BaseRole{Partition: through.Partition, Account: through.Account}, err
}

// knownPrincipal returns Principal if it is known without a call.
func (a *Assumer) knownPrincipal() (string, bool) {
	if arn := a.principal.value.Load(); arn != nil {
		return *arn, true
	}
	who := a.caller.answer.value.Load()
	switch {
	case who == nil:
		return "", false
	case a.AssumeRole != "":
		role, err := a.caller.intermediate.Resolve(a.caller.baseFor(who))
		return role.String(), err == nil
	case who.role.Name == "":
		return who.arn, true
	}
	named, err := identity.ParseRole(a.ControllerRoleARN)
	return a.ControllerRoleARN, err == nil && named.SameRole(who.role)
}

func (a *Assumer) findPrincipal(ctx context.Context) (string, error) {
	who, err := a.caller.lookUp(ctx)
	if err != nil {
		return "", err
	}
	if a.AssumeRole != "" {
		role, failure := a.caller.intermediate.Resolve(a.caller.baseFor(who))
		return role.String(), failure
	}
	if who.role.Name == "" {
		return who.arn, nil
	}
	arn, err := a.roleARN(ctx, who)
	if err != nil && a.ControllerRoleARN != "" {
		return a.ControllerRoleARN, nil
	}
	return arn, err
}

// roleARN returns the ARN of the role of a session, including its path.
func (a *Assumer) roleARN(ctx context.Context, who *caller) (string, error) {
	out, err := a.iam.GetRole(ctx, &iam.GetRoleInput{RoleName: &who.role.Name})
	const remedy = "allow iam:GetRole on it, or give --controller-role-arn"
	if answer, _, _ := awserr.Answer(err); awserr.IsDenied(err) {
		return "", awserr.Plain(err, "find the path of the controller's own role %s: %s: %s", who.role.Name, awserr.Words(answer), remedy)
	}
	if err != nil {
		return "", fmt.Errorf("find the path of the controller's own role %s: %w; or %s", who.role.Name, awserr.Describe(err), remedy)
	}
	if out.Role == nil || aws.ToString(out.Role.RoleId) != who.id {
		return "", errors.New("the role of this name is another than the controller's own: give --controller-role-arn")
	}
	return aws.ToString(out.Role.Arn), nil
}

// uniqueID returns the part of a UserId before the session name.
func uniqueID(userID string) string {
	id, _, _ := strings.Cut(userID, ":")
	return id
}

// ConfiguredPrincipal returns what Principal would, as far as the configuration
// tells without a call to AWS, otherwise "". A configured path is not verified.
func ConfiguredPrincipal(options Options) (string, error) {
	if options.AssumeRole == "" {
		return options.ControllerRoleARN, nil
	}
	through, err := identity.ParseRole(options.AssumeRole)
	if err != nil {
		return "", err
	}
	base, err := configuredBase(options)
	if err != nil || (base == identity.BaseRole{} && !through.Resolved()) {
		return "", err
	}
	through, err = through.Resolve(base)
	return through.String(), err
}

// configuredBase returns the base that completes role names, as far as it is
// configured.
func configuredBase(options Options) (identity.BaseRole, error) {
	if options.BaseRoleARN != "" {
		return identity.ParseBaseRole(options.BaseRoleARN)
	}
	if options.ControllerRoleARN == "" {
		return identity.BaseRole{}, nil
	}
	role, err := identity.ParseRole(options.ControllerRoleARN)
	return identity.BaseRole{Partition: role.Partition, Account: role.Account}, err
}
