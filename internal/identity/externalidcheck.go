package identity

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
