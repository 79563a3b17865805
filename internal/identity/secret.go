package identity

import (
	"fmt"
	"time"
)

const redacted = "REDACTED"

// Secret is a string that is redacted by every formatting verb and encoding.
type Secret string

// String implements fmt.Stringer.
func (Secret) String() string { return redacted }

// GoString implements fmt.GoStringer.
func (Secret) GoString() string { return redacted }

// MarshalText implements encoding.TextMarshaler, which covers JSON and YAML.
func (Secret) MarshalText() ([]byte, error) { return []byte(redacted), nil }

// Format implements fmt.Formatter for all verbs.
func (Secret) Format(f fmt.State, _ rune) { _, _ = f.Write([]byte(redacted)) }

// Reveal returns the plain text. Its callers are the only places where credentials
// can leak.
func (s Secret) Reveal() string { return string(s) }

// Credentials are the temporary security credentials of one STS session.
type Credentials struct {
	// RoleARN is the full ARN of the assumed role.
	RoleARN string
	// AccessKeyID is redacted, too, because CloudTrail records activity by it.
	AccessKeyID     Secret
	SecretAccessKey Secret
	SessionToken    Secret
	// Issued and Expiration are the start and end of the session, in UTC.
	Issued     time.Time
	Expiration time.Time
	// Notice is a warning for the author of the object although the credentials are
	// valid, "" for none.
	Notice string
}
