package namespaces

import (
	"strconv"

	"kube-aws-iam-controller/internal/identity"
)

// administrator is who can change what a refusal names.
const administrator = "Use a role that is permitted, or have whoever administers the namespace "

// longestShown is how much of a rule a message repeats.
const maxShown = 100

// shown returns a rule's value as it is, if that is short, printable and not
// empty.
func quoteRule(value string) string {
	if value != "" && len(value) <= maxShown && strconv.CanBackquote(value) {
		return value
	}
	return identity.Quote(value)
}
