package sts

import (
	"context"
	"fmt"
	"strings"
)

// CallerWarning returns why the caller of AWS is unlikely to be the controller, but
// rather a person running one of its commands; "" if there is no such reason.
func (a *Assumer) CallerWarning(ctx context.Context) (string, error) {
	if a.AssumeRole != "" {
		return "", nil // whoever the caller is, it is not the principal
	}
	who, err := a.caller.lookUp(ctx)
	if err != nil {
		return "", err
	}
	if kind := unlikelyCaller(who.arn); kind != "" {
		return fmt.Sprintf("%s is %s", who.arn, kind), nil
	}
	return "", nil
}

// unlikelyCaller describes a caller that is unlikely to be a controller, "" for
// others.
func unlikelyCaller(callerARN string) string {
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
