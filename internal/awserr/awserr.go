// Package awserr classifies errors of AWS requests for callers, and turns them into
// messages that people can act on.
package awserr

import (
	"context"
	"errors"
	"net"
	"regexp"

	"github.com/aws/smithy-go"
)

// OK is the code of a request without error.
const OK = "OK"

// code matches all codes that AWS documents. Anything else, perhaps from a proxy,
// would create arbitrary metric labels.
var code = regexp.MustCompile(`^[A-Za-z0-9.]{1,64}$`)

// Code returns AWS's error code, or why there is none: Canceled, Timeout,
// ConnectionError or Other; OK for no error. It is suitable as a metric label.
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

// unknown is the SDK's code and message for a response that lacks them, such as the
// error page of a proxy.
const unknown = "UnknownError"

// Answer returns the error response of AWS and the operation that received it. If
// an operation failed for lack of credentials, that is the operation that was to
// fetch them.
func Answer(err error) (answer smithy.APIError, operation string, is bool) {
	answer, is = errors.AsType[smithy.APIError](err)
	if !is || answer.ErrorCode() == "" || answer.ErrorCode() == unknown {
		return nil, "", false
	}
	return answer, innermostOperation(err), true
}

// innermostOperation returns the name of the operation that was in progress.
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

// IsDenied reports whether AWS denied the request itself. It is false if the
// controller's own credentials were refused, because then the request was not made.
func IsDenied(err error) bool {
	_, own := errors.AsType[*CredentialsError](err)
	return !own && Code(err) == "AccessDenied"
}
