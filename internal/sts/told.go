package sts

import (
	"context"
	"fmt"
	"strings"

	"kube-aws-iam-controller/internal/identity"
)

// ToldPrincipal returns what Principal would, as far as flags tell it without a
// call to AWS, "" if they do not. The path of a role that a flag names is
// believed.
func ToldPrincipal(options Options) (string, error) {
	if options.AssumeRole == "" {
		return options.ControllerRoleARN, nil
	}
	through, err := identity.ParseRole(options.AssumeRole)
	if err != nil {
		return "", err
	}
	base, err := toldBase(options)
	if err != nil || (base == identity.BaseRole{} && !through.Resolved()) {
		return "", err
	}
	through, err = through.Resolve(base)
	return through.String(), err
}

// toldBase returns where names are looked up, as far as flags tell.
func toldBase(options Options) (identity.BaseRole, error) {
	if options.BaseRoleARN != "" {
		return identity.ParseBaseRole(options.BaseRoleARN)
	}
	if options.ControllerRoleARN == "" {
		return identity.BaseRole{}, nil
	}
	own, err := identity.ParseRole(options.ControllerRoleARN)
	return identity.BaseRole{Partition: own.Partition, Account: own.Account}, err
}

// Doubt says why the caller of AWS is hardly the controller, but somebody who
// runs one of its commands, "" for no reason.
func (a *Assumer) Doubt(ctx context.Context) (string, error) {
	if a.AssumeRole != "" {
		return "", nil // whoever the caller is, it is not the principal
	}
	who, err := a.own.known(ctx)
	if err != nil {
		return "", err
	}
	if kind := doubtful(who.arn); kind != "" {
		return fmt.Sprintf("%s is %s", who.arn, kind), nil
	}
	return "", nil
}

// doubtful returns what a caller is that is hardly a controller.
func doubtful(callerARN string) string {
	resource := callerARN[strings.LastIndexByte(callerARN, ':')+1:]
	kind, rest, _ := strings.Cut(resource, "/")
	role, session, _ := strings.Cut(rest, "/")
	switch {
	case resource == "root":
		return "the root user of the account"
	case kind == "user":
		return "an IAM user"
	case kind == "federated-user":
		return "a federated user"
	case strings.HasPrefix(role, "AWSReservedSSO_"):
		return "a person who signed in through IAM Identity Center"
	case strings.Contains(session, "@"):
		return "a session that is named after a person"
	case strings.HasPrefix(session, "botocore-session-") || strings.HasPrefix(session, "AWSCLI-"):
		return "a session of the AWS CLI"
	default:
		return ""
	}
}
