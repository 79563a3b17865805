package trust

import (
	awspolicy "github.com/hashicorp/awspolicyequivalence"

	"kube-aws-iam-controller/internal/identity"
)

// Equivalent reports whether two policies of a kind have the same meaning,
// regardless of order, white space, and whether single values are in a list. A
// policy outside IAM's grammar is equivalent to nothing, not even to itself,
// because the library that compares policies ignores what it does not know. Values
// that it cannot distinguish, such as large numbers, are passed to it as strings.
func Equivalent(kind identity.PolicyKind, a, b string) bool {
	a, errA := identity.NormalizePolicy(a, kind)
	b, errB := identity.NormalizePolicy(b, kind)
	if errA != nil || errB != nil {
		return false
	}
	same, err := awspolicy.PoliciesAreEquivalent(a, b)
	return err == nil && same
}
