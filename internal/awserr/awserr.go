// Package awserr sorts errors of AWS calls into what callers act on, and gives
// them words that people can act on.
package awserr

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"regexp"
	"strings"
	"syscall"
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

// PlainError is an error whose words are our own, and fit for everybody to read.
type PlainError struct {
	Message string
	Err     error
}

// Error implements error.
func (p *PlainError) Error() string { return p.Message }

// Unwrap returns the cause.
func (p *PlainError) Unwrap() error { return p.Err }

// Describe returns err in words that stay the same from one try to the next:
// AWS's code and message, without request ids, so that a repeated failure is
// one event with a count. It is one line of at most 700 bytes.
//
// Of a request that AWS did not answer only the kind of failure is told: the
// SDK quotes whatever it choked on, such as the output of a
// credential_process, and addresses that are another each time.
func Describe(err error) error {
	if err == nil {
		return nil
	}
	message := err.Error()
	if api, is := errors.AsType[smithy.APIError](err); is {
		message = api.ErrorCode() + ": " + api.ErrorMessage()
	} else if plain, is := errors.AsType[*PlainError](err); is {
		message = plain.Message
	} else if operation, is := errors.AsType[*smithy.OperationError](err); is {
		message = operation.Service() + " did not answer " + operation.Operation() + ": " + kind(err)
	}
	return &described{message: oneLine(message), cause: err}
}

// kind tells why there is no answer from AWS, in fixed words.
func kind(err error) string {
	if dns, is := errors.AsType[*net.DNSError](err); is && dns.IsNotFound {
		return "its name is not known to DNS"
	}
	for _, known := range []struct {
		cause error
		words string
	}{
		{syscall.ECONNREFUSED, "the connection was refused"},
		{syscall.ECONNRESET, "the connection was reset"},
		{syscall.EHOSTUNREACH, "the host is unreachable"},
		{syscall.ENETUNREACH, "the network is unreachable"},
		{io.EOF, "the connection was closed"},
		{io.ErrUnexpectedEOF, "the connection was closed"},
	} {
		if errors.Is(err, known.cause) {
			return known.words
		}
	}
	if _, is := errors.AsType[*smithy.DeserializationError](err); is {
		return "the answer was not one of AWS (deserialization failed)"
	}
	switch Code(err) {
	case "Timeout":
		return "it took too long"
	case "Canceled":
		return "the request was given up"
	case "ConnectionError":
		return "it cannot be reached"
	default:
		return fmt.Sprintf("the controller's own credentials, its configuration or the network are in the way (%T)", innermost(err))
	}
}

// innermost returns the error that all others are wrapped around.
func innermost(err error) error {
	for {
		next := errors.Unwrap(err)
		if next == nil {
			return err
		}
		err = next
	}
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
