package awserr

import (
	"errors"
	"fmt"
	"regexp"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/aws/smithy-go"
)

// Limits of messages in bytes. An event holds 1,024 bytes, which have to include
// text around the message. The limit of AWS's own words leaves room for the remedy.
const (
	maxMessage = 800
	maxAnswer  = 450
)

// described is an error with another message.
type described struct {
	message string
	cause   error
}

func (d *described) Error() string { return d.message }
func (d *described) Unwrap() error { return d.cause }

// PlainError is an error whose message was written by this controller, so that
// everybody may read it.
type PlainError struct {
	Message string
	Err     error
}

// Error implements error.
func (p *PlainError) Error() string { return p.Message }

// Unwrap returns the cause.
func (p *PlainError) Unwrap() error { return p.Err }

// Plain returns err with a message of its own, as one line that fits into an event.
func Plain(err error, format string, args ...any) error {
	return &PlainError{Message: oneLine(fmt.Sprintf(format, args...), maxMessage), Err: err}
}

// aboutError names the subject of a failed request.
type aboutError struct {
	subject string
	err     error
}

func (a *aboutError) Error() string { return a.subject + ": " + a.err.Error() }
func (a *aboutError) Unwrap() error { return a.err }

// About returns err such that Describe names subject if AWS does not; nil for nil.
func About(subject string, err error) error {
	if err == nil {
		return nil
	}
	return &aboutError{subject: subject, err: err}
}

// Describe returns err with a message that is identical from one attempt to the
// next: AWS's code and message without request IDs, so that repeated failures
// become one event with a count, and the remedy. It is one line of at most 800
// bytes.
//
// For a request without a response from AWS it names only the kind of failure and
// the host, because the SDK quotes arbitrary input, such as the output of a
// credential_process, and changing addresses.
func Describe(err error) error {
	if err == nil {
		return nil
	}
	return &described{message: oneLine(message(err), maxMessage), cause: err}
}

func message(err error) string {
	if own, is := errors.AsType[*CredentialsError](err); is {
		return own.Error()
	}
	if plain, is := errors.AsType[*PlainError](err); is {
		return plain.Message
	}
	if answer, operation, is := Answer(err); is {
		return withSubject(err, withRemedy(Words(answer), remedy(answer, operation)))
	}
	if failed, is := errors.AsType[*smithy.OperationError](err); is {
		return failed.Service() + " did not answer " + failed.Operation() + ": " + withRemedy(noResponse(err))
	}
	return err.Error()
}

// withSubject prepends the subject of a request unless the text names it.
func withSubject(err error, text string) string {
	about, is := errors.AsType[*aboutError](err)
	if !is || strings.Contains(text, about.subject) {
		return text
	}
	return about.subject + ": " + text
}

// withRemedy appends a remedy to a description.
func withRemedy(what, remedy string) string {
	if remedy == "" {
		return what
	}
	return strings.TrimRight(what, ". ") + "; " + remedy
}

// signatureTime matches the times in messages about signatures, which change with
// each attempt.
var signatureTime = regexp.MustCompile(`\b\d{8}T\d{6}Z\b`)

// Words returns AWS's code and message, as one line of at most 450 bytes.
func Words(answer smithy.APIError) string {
	said := answer.ErrorCode() + ": " + signatureTime.ReplaceAllString(answer.ErrorMessage(), "…")
	return oneLine(said, maxAnswer)
}

// oneLine returns message without control characters, truncated to length bytes.
func oneLine(message string, length int) string {
	const ellipsis = "…"
	message = strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(message, "\uFFFD"))
	if len(message) <= length {
		return message
	}
	cut := length - len(ellipsis)
	for !utf8.RuneStart(message[cut]) {
		cut--
	}
	return message[:cut] + ellipsis
}
