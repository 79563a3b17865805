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

// An event holds 1,024 bytes: room has to be left for what is said around a
// message, and in the message for the remedy, behind what AWS says.
const (
	maxMessage = 800
	maxAnswer  = 450
)

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

// Plain returns err with a message of our own, as one line that fits an event.
func Plain(err error, format string, args ...any) error {
	return &PlainError{Message: oneLine(fmt.Sprintf(format, args...), maxMessage), Err: err}
}

// aboutError tells what a failed request was about.
type aboutError struct {
	subject string
	err     error
}

func (a *aboutError) Error() string { return a.subject + ": " + a.err.Error() }
func (a *aboutError) Unwrap() error { return a.err }

// About returns err so that Describe names subject where AWS does not, nil for nil.
func About(subject string, err error) error {
	if err == nil {
		return nil
	}
	return &aboutError{subject: subject, err: err}
}

// Describe returns err in words that stay the same from one try to the next:
// AWS's code and message, without request ids, so that a repeated failure is
// one event with a count, and what to do about it. It is one line of at most 800
// bytes.
//
// Of a request that AWS did not answer only the kind of failure and the host are
// told: the SDK quotes whatever it choked on, such as the output of a
// credential_process, and addresses that are another each time.
func Describe(err error) error {
	if err == nil {
		return nil
	}
	return &described{message: oneLine(message(err), maxMessage), cause: err}
}

func message(err error) string {
	if own, is := errors.AsType[*CredentialsError](err); is {
		return own.message()
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

// withSubject puts what a request was about in front, where that is not said.
func withSubject(err error, text string) string {
	about, is := errors.AsType[*aboutError](err)
	if !is || strings.Contains(text, about.subject) {
		return text
	}
	return about.subject + ": " + text
}

// with puts a remedy behind what happened.
func withRemedy(what, remedy string) string {
	if remedy == "" {
		return what
	}
	return strings.TrimRight(what, ". ") + "; " + remedy
}

// instant is a time as signatures tell it, another one with each try.
var signatureTime = regexp.MustCompile(`\b\d{8}T\d{6}Z\b`)

// Words returns AWS's code and message.
func Words(answer smithy.APIError) string {
	said := answer.ErrorCode() + ": " + signatureTime.ReplaceAllString(answer.ErrorMessage(), "…")
	return oneLine(said, maxAnswer)
}

// oneLine returns a message without control characters, cut to a length in bytes.
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
