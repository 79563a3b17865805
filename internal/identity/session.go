package identity

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// Limits of a session's duration, see DurationSeconds in
// https://docs.aws.amazon.com/STS/latest/APIReference/API_AssumeRole.html.
const (
	MinSession     = 15 * time.Minute
	MaxSession     = 12 * time.Hour
	DefaultSession = time.Hour
)

// ParseSessionDuration parses a session duration in seconds ("3600") or with units
// ("1h", "90m"), between MinSession and MaxSession. Surrounding white space is
// ignored.
func ParseSessionDuration(value string) (time.Duration, error) {
	value = strings.TrimSpace(value)
	d, err := time.ParseDuration(value)
	if seconds, atoiErr := strconv.ParseUint(value, 10, 32); atoiErr == nil {
		d, err = time.Duration(seconds)*time.Second, nil
	}
	if err != nil {
		return 0, fmt.Errorf("%s is not a session duration: give seconds (3600) or a duration (1h)", Quote(value))
	}
	return d, CheckSessionDuration(d)
}

// CheckSessionDuration returns an error unless d is between MinSession and
// MaxSession and a whole number of seconds, which is what STS accepts.
func CheckSessionDuration(d time.Duration) error {
	switch {
	case d < MinSession || d > MaxSession:
		return fmt.Errorf("a session of %s is not possible: give 15m to 12h (900 to 43200 seconds)", d)
	case d%time.Second != 0:
		return fmt.Errorf("a session of %s is not possible: give whole seconds", d)
	}
	return nil
}

// ExternalIDCheck selects the existing roles for which STS is asked whether they
// reject a wrong external ID.
type ExternalIDCheck string

// The values of --require-external-id. The zero value is CheckNone.
const (
	CheckNone ExternalIDCheck = "off"
	// CheckOtherAccounts covers roles that ServiceAccounts request in accounts
	// other than the controller's: whoever owns such a role cannot see which
	// cluster users assume it. AWSIAMRoles are exempt, because those of the
	// predecessor have to keep working.
	CheckOtherAccounts ExternalIDCheck = "other-accounts"
	CheckAll           ExternalIDCheck = "all"
)
