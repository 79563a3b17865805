// Package awserr sorts errors of AWS calls into what callers act on, and puts
// them into words that people can act on.
package awserr

import (
	"context"
	"errors"
	"net"
	"regexp"

	"github.com/aws/smithy-go"
)

// OK is the code of no error.
const OK = "OK"

// code has the form of all codes that AWS documents; anything else, from a
// proxy perhaps, would make metric labels of what it likes.
var code = regexp.MustCompile(`^[A-Za-z0-9.]{1,64}$`)

// Code returns AWS's error code, or what kept us from getting one: Canceled,
// Timeout, ConnectionError or Other. It is fit for a metric's label.
func Code(err error) string {
	var api smithy.APIError
	var network net.Error
	switch {
	case err == nil:
		return OK
	case errors.As(err, &api) && code.MatchString(api.ErrorCode()):
		return api.ErrorCode()
	case errors.Is(err, context.Canceled):
		return "Canceled"
	case errors.Is(err, context.DeadlineExceeded), errors.As(err, &network) && network.Timeout():
		return "Timeout"
	case errors.As(err, &network):
		return "ConnectionError"
	default:
		return "Other"
	}
}

// unknown is what the SDK puts in the place of the code and the message that an
// answer lacks, such as the error page of a proxy.
const unknown = "UnknownError"

// Answer returns the error that AWS answered with, and the operation that got
// it. Where an operation failed for want of credentials, that is the operation
// that was to bring them.
func Answer(err error) (answer smithy.APIError, operation string, is bool) {
	answer, is = errors.AsType[smithy.APIError](err)
	if !is || answer.ErrorCode() == "" || answer.ErrorCode() == unknown {
		return nil, "", false
	}
	return answer, innermostOperation(err), true
}

// innermostOperation returns the name of the operation that was under way.
func innermostOperation(err error) string {
	name := ""
	for {
		operation, is := errors.AsType[*smithy.OperationError](err)
		if !is {
			return name
		}
		name, err = operation.Operation(), operation.Err
	}
}

// IsDenied says whether AWS refused the call itself. A refusal of the controller's
// own credentials is another matter: nothing was asked then.
func IsDenied(err error) bool {
	_, own := errors.AsType[*CredentialsError](err)
	return !own && Code(err) == "AccessDenied"
}
