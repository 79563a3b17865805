package awserr

import (
	"cmp"
	"errors"
	"io/fs"
	"strings"
)

// CredentialsError reports that the controller itself has no credentials, so that
// no request was made on behalf of anybody.
type CredentialsError struct {
	// Source is where the credentials were expected, Remedy what to do about it.
	Source, Remedy string
	Err            error
}

const (
	controller = "the controller itself"
	hasNone    = " has no AWS credentials: "
	// ControllerHasNone begins the messages that say that the controller has no
	// credentials.
	ControllerHasNone = controller + hasNone
)

// Error implements error.
func (o *CredentialsError) Error() string { return o.message(controller, o.Remedy) }

// Unwrap returns the cause.
func (o *CredentialsError) Unwrap() error { return o.Err }

func (o *CredentialsError) message(who, otherwise string) string {
	what := who + hasNone + o.Source
	detail, better := o.detail()
	if detail != "" {
		what += ": " + detail
	}
	return withRemedy(what, cmp.Or(better, otherwise))
}

// ForCommand returns err as the user of a command has to read it, who acts with AWS
// credentials of their own, and by whom nothing is retried.
func ForCommand(err error) error {
	own, is := errors.AsType[*CredentialsError](err)
	if !is {
		return WithoutRetry(&described{message: strings.ReplaceAll(err.Error(), " (this controller)", ""), cause: err})
	}
	text := own.message("this command", "configure them as for the AWS CLI, such as with AWS_PROFILE")
	return WithoutRetry(&described{message: oneLine(text, maxMessage), cause: err})
}

// detail returns the part of the cause that may be shown: AWS's words, this
// controller's, or the kind of failure; and a more specific remedy if the cause has
// one.
func (o *CredentialsError) detail() (what, better string) {
	if answer, operation, is := Answer(o.Err); is {
		return Words(answer), remedy(answer, operation)
	}
	if plain, is := errors.AsType[*PlainError](o.Err); is {
		return plain.Message, ""
	}
	if file, is := errors.AsType[*fs.PathError](o.Err); is {
		return file.Error(), "have that file there, readable by the controller"
	}
	what, _, _ = classify(o.Err) // an unrecognized error may quote secrets
	return what, ""
}
