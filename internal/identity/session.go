package identity

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// Bounds of a session, see DurationSeconds in
// https://docs.aws.amazon.com/STS/latest/APIReference/API_AssumeRole.html.
const (
	MinSession     = 15 * time.Minute
	MaxSession     = 12 * time.Hour
	DefaultSession = time.Hour
)

// ParseSession reads a session duration, in seconds ("3600") or with units
// ("1h", "90m"), with or without white space around it.
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

// CheckSession says what is wrong with a session of duration d, nil if nothing.
func CheckSessionDuration(d time.Duration) error {
	switch {
	case d < MinSession || d > MaxSession:
		return fmt.Errorf("a session of %s is not possible: give 15m to 12h (900 to 43200 seconds)", d)
	case d%time.Second != 0:
		return fmt.Errorf("a session of %s is not possible: give whole seconds", d)
	}
	return nil
}

// ExternalIDCheck says for which existing roles STS is asked whether they refuse
// another external ID.
type ExternalIDCheck string

// The checks. The zero value is none.
const (
	CheckNone ExternalIDCheck = "off"
	// CheckOtherAccounts is of roles of other accounts than the controller's own, for
	// ServiceAccounts: whoever owns those cannot see who uses them, and AWSIAMRoles
	// of the predecessor have to go on working.
	CheckOtherAccounts ExternalIDCheck = "other-accounts"
	CheckAll           ExternalIDCheck = "all"
)
