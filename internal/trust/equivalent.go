package trust

import (
	awspolicy "github.com/hashicorp/awspolicyequivalence"

	"kube-aws-iam-controller/internal/identity"
)

// Equivalent says whether two policies of a kind mean the same, whatever their
// order and white space, and whether single values stand alone or in a list. What
// IAM's grammar does not know is equivalent to nothing, not even to itself: the
// library that compares passes over it, and what it cannot tell apart, such as
// large numbers, it is given as text.
func Equivalent(kind identity.PolicyKind, a, b string) bool {
	a, errA := identity.NormalizePolicy(a, kind)
	b, errB := identity.NormalizePolicy(b, kind)
	if errA != nil || errB != nil {
		return false
	}
	same, err := awspolicy.PoliciesAreEquivalent(a, b)
	return err == nil && same
}
