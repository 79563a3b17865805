package trust

import awspolicy "github.com/hashicorp/awspolicyequivalence"

// Equivalent says whether two policies mean the same, whatever their order and
// white space, and whether single values stand alone or in a list. What cannot
// be read is equivalent to nothing.
func Equivalent(a, b string) bool {
	same, err := awspolicy.PoliciesAreEquivalent(a, b)
	return err == nil && same
}
