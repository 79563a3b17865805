package awserr

import (
	"cmp"
	"errors"
	"io/fs"
)

// CredentialsError reports that the controller itself has no credentials, so that
// no request was made on behalf of anybody.
type CredentialsError struct {
	// Source is where the credentials were expected, Remedy what to do about it.
	Source, Remedy string
	Err            error
}

// Error implements error.
func (o *CredentialsError) Error() string { return o.message() }

// Unwrap returns the cause.
func (o *CredentialsError) Unwrap() error { return o.Err }

func (o *CredentialsError) message() string {
	what := "the controller itself has no AWS credentials: " + o.Source
	detail, better := o.detail()
	if detail != "" {
		what += ": " + detail
	}
	return withRemedy(what, cmp.Or(better, o.Remedy))
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
