package identity

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// maxManagedPolicies is the highest value to which the quota for managed policies
// attached to a role can be raised; the default is 10:
// https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html.
const maxManagedPolicies = 25

// policyARN matches the ARN of a managed policy owned by an account or by AWS, with its path
// and its name. Their lengths are no part of the expression, which would take half a
// megabyte.
var policyARN = regexp.MustCompile(`^arn:aws(?:-[a-z]{1,8}){0,3}:iam::(?:aws|[0-9]{12}):policy/((?:[\x21-\x7E]+/)?)([\w+=,.@-]+)$`)

const maxPolicyName = 128

func isPolicyARN(arn string) bool {
	match := policyARN.FindStringSubmatch(arn)
	return match != nil && len(match[1]) <= maxPath && len(match[2]) <= maxPolicyName
}

// ParseManagedPolicies parses a comma-separated list of at most 25 policy ARNs and
// returns them sorted and without duplicates. White space and a trailing comma are
// ignored.
func ParseManagedPolicies(text string) ([]string, error) {
	text = strings.TrimSpace(strings.TrimSuffix(strings.TrimSpace(text), ","))
	var all []string
	for part := range strings.SplitSeq(text, ",") {
		arn := strings.TrimSpace(part)
		if !isPolicyARN(arn) {
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
