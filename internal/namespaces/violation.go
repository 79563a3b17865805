package namespaces

import (
	"strconv"

	"kube-aws-iam-controller/internal/identity"
)

// administrator introduces the remedy for those who can change the annotation.
const administrator = "Use a role that is permitted, or have whoever administers the namespace "

// maxShown limits how many bytes of a rule a message repeats.
const maxShown = 100

// quoteRule returns the value of a rule unchanged if it is short, printable and not
// empty, otherwise quoted.
func quoteRule(value string) string {
	if value != "" && len(value) <= maxShown && strconv.CanBackquote(value) {
		return value
	}
	return identity.Quote(value)
}
