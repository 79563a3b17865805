package identity

import "time"

// RoleUse is what IAM knows of the use of a role: of the last 400 days, some hours late.
// The zero value is for a role that IAM was not asked about.
type RoleUse struct {
	// Known reports that IAM was asked.
	Known bool
	// At is when the role was last used, the zero Time if IAM knows of no use.
	At time.Time
}

// neverUsed is the text of a RoleUse for a role that was not used.
const neverUsed = "never"

// String returns the form in which annotations record a RoleUse, "" if it is not known.
func (u RoleUse) String() string {
	switch {
	case !u.Known:
		return ""
	case u.At.IsZero():
		return neverUsed
	}
	return u.At.UTC().Format(time.RFC3339)
}

// ParseRoleUse parses what String returns. Anything else is not known.
func ParseRoleUse(text string) RoleUse {
	if text == neverUsed {
		return RoleUse{Known: true}
	}
	at, err := time.Parse(time.RFC3339, text)
	if err != nil || at.IsZero() {
		return RoleUse{}
	}
	return RoleUse{Known: true, At: at.UTC()}
}
