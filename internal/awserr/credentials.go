package awserr

import (
	"cmp"
	"errors"
)

// OwnCredentialsError says that the controller got no credentials of its own, so
// that nothing was asked of AWS on behalf of anybody.
type CredentialsError struct {
	// Source tells where they were to come from, Remedy what to do about it.
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

// detail tells of the cause what is fit to be told: AWS's own words, ours, or the
// kind of failure; and the remedy, where that is known from the cause.
func (o *CredentialsError) detail() (what, better string) {
	if answer, operation, is := Answer(o.Err); is {
		return Words(answer), remedy(answer, operation)
	}
	if plain, is := errors.AsType[*PlainError](o.Err); is {
		return plain.Message, ""
	}
	what, _, _ = classify(o.Err) // who knows what the rest quotes
	return what, ""
}
