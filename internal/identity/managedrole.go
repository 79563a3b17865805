package identity

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// ManagedRole is an IAM role that the controller makes for an object.
type ManagedRole struct {
	// Policy is its inline policy, as compact JSON, "" for none.
	Policy string
	// ManagedPolicies are the ARNs of those attached to it, in order, each
	// once.
	ManagedPolicies []string
}

// maxManagedPolicies is the most that IAM attaches to a role where the account's
// quota, 10 by default, is raised as far as it goes:
// https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html.
const maxManagedPolicies = 25

// policyARN is that of a managed policy, of an account or of AWS.
var policyARN = regexp.MustCompile(`^arn:aws(?:-[a-z]{1,8}){0,3}:iam::(?:aws|[0-9]{12}):policy/(?:[\x21-\x7E]{1,511}/)?[\w+=,.@-]{1,128}$`)

// ParseManagedPolicies reads a comma-separated list of policy ARNs. It may end in
// a comma.
func ParseManagedPolicies(text string) ([]string, error) {
	text = strings.TrimSpace(strings.TrimSuffix(strings.TrimSpace(text), ","))
	var all []string
	for part := range strings.SplitSeq(text, ",") {
		arn := strings.TrimSpace(part)
		if !policyARN.MatchString(arn) {
			return nil, notPolicyARN(arn)
		}
		if all = append(all, arn); len(all) > maxManagedPolicies {
			return nil, fmt.Errorf("there are more than %d managed policies, and IAM attaches no more to a role: name at most %d", maxManagedPolicies, maxManagedPolicies)
		}
	}
	slices.Sort(all)
	return slices.Compact(all), nil
}

func notPolicyARN(arn string) error {
	return fmt.Errorf("%s is not the ARN of a managed policy: %sexpected arn:<partition>:iam::<account or aws>:policy/<name>", Quote(arn), accountProblem(arn))
}

// accountProblem says what is wrong with the account of an ARN, "" if it is not
// that. Whoever keeps accounts as numbers loses their leading zeros.
func accountProblem(arn string) string {
	f := strings.SplitN(arn, ":", 6)
	if len(f) < 6 || f[0] != "arn" || !digits.MatchString(f[4]) || len(f[4]) == 12 {
		return ""
	}
	return fmt.Sprintf("the account %s has %d digits and account IDs have 12, including leading zeros; ", Cut(f[4]), len(f[4]))
}
