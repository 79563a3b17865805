package identity

import (
	"fmt"
	"time"
)

const redacted = "REDACTED"

// Secret is a string that does not print itself, whatever it is printed with.
type Secret string

// String implements fmt.Stringer.
func (Secret) String() string { return redacted }

// GoString implements fmt.GoStringer.
func (Secret) GoString() string { return redacted }

// MarshalText implements encoding.TextMarshaler, so JSON and YAML redact too.
func (Secret) MarshalText() ([]byte, error) { return []byte(redacted), nil }

// Format implements fmt.Formatter for every verb.
func (Secret) Format(f fmt.State, _ rune) { _, _ = f.Write([]byte(redacted)) }

// Reveal returns the secret itself. Its callers are all places to look at
// when asking where credentials go.
func (s Secret) Reveal() string { return string(s) }

// Credentials are the keys of one STS session.
type Credentials struct {
	// RoleARN is the full ARN of the role that was assumed.
	RoleARN string
	// AccessKeyID is redacted as well: with it, CloudTrail tells who did what.
	AccessKeyID     Secret
	SecretAccessKey Secret
	SessionToken    Secret
	// Issued and Expiration bound the session, in UTC.
	Issued     time.Time
	Expiration time.Time
	// Notice is something STS said on the way that the object's author
	// should know although the credentials are good, "" if nothing.
	Notice string
}
