// Package awserr sorts errors of AWS calls into what callers act on, and gives
// them words that people can act on.
package awserr

import (
	"context"
	"errors"
	"net"
	"regexp"
	"strings"
	"unicode"
	"unicode/utf8"

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

// maxMessage leaves room in an event's 1,024 bytes for what is said around it.
const maxMessage = 700

// described is an error with other words.
type described struct {
	message string
	cause   error
}

func (d *described) Error() string { return d.message }
func (d *described) Unwrap() error { return d.cause }

// Describe returns err in words that stay the same from one try to the next:
// AWS's code and message, without request ids, so that a repeated failure is
// one event with a count. It is one line of at most 700 bytes.
func Describe(err error) error {
	if err == nil {
		return nil
	}
	message := err.Error()
	if api, ok := errors.AsType[smithy.APIError](err); ok {
		message = api.ErrorCode() + ": " + api.ErrorMessage()
	}
	return &described{message: oneLine(message), cause: err}
}

func oneLine(message string) string {
	message = strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(message, "\uFFFD"))
	if len(message) <= maxMessage {
		return message
	}
	cut := maxMessage
	for !utf8.RuneStart(message[cut]) {
		cut--
	}
	return message[:cut] + "…"
}
