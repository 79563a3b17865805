package identity

import (
	"strconv"
	"unicode/utf8"
)

// An InvalidError says that an object asks for something that cannot be
// meant. Only the object's author can mend it, so it is not retried.
type InvalidError struct {
	// Reason is the event's.
	Reason string
	// Message names the value, what is wrong with it and the remedy.
	Message string
}

// Error returns the message.
func (e *InvalidError) Error() string { return e.Message }

// maxQuoted is how much of a value a message repeats: values come from
// tenants and may be hundreds of kilobytes long, an event holds 1,024 bytes.
const maxQuoted = 100

// Quote returns v quoted for a message, escaped and cut to a readable length.
func Quote(v string) string {
	if len(v) <= maxQuoted {
		return strconv.Quote(v)
	}
	cut := maxQuoted
	for cut > 0 && !utf8.RuneStart(v[cut]) {
		cut--
	}
	return strconv.Quote(v[:cut]) + "… (" + strconv.Itoa(len(v)) + " bytes)"
}

// A StepError says which step of serving an identity failed. It is retried.
type StepError struct {
	// Reason and Message are the event's.
	Reason, Message string
	Err             error
	// Soon says that it may be well by itself in a moment: what was written
	// to IAM is not seen everywhere at once.
	Soon bool
}

// Error returns the message.
func (e *StepError) Error() string { return e.Message }

// Unwrap returns the cause.
func (e *StepError) Unwrap() error { return e.Err }

// Cut returns v as it may stand between a message's own quotes: as it is if it
// is short and printable, else escaped and cut.
func Cut(v string) string {
	quoted := Quote(v)
	if quoted == `"`+v+`"` {
		return v
	}
	return quoted
}
