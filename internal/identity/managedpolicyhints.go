package identity

import (
	"fmt"
	"strings"
)

// widePolicies are managed policies of AWS that allow far more than an application needs,
// what that is, and a pattern of the actions that it is about.
// See https://docs.aws.amazon.com/aws-managed-policy/latest/reference/policy-list.html.
var widePolicies = []struct{ name, allows, actions string }{
	{"AdministratorAccess", "allows all actions on all resources", "*"},
	{"PowerUserAccess", "allows all actions on all resources, but most of those of IAM, Organizations and Account Management", "*"},
	{"IAMFullAccess", "allows all actions of IAM, and with these to have any permission", "iam:*"},
}

// ManagedPolicyHints returns which of the managed policies of a role allow far more than
// an application needs, one sentence for each, unless the boundary takes that away.
func ManagedPolicyHints(arns []string, boundary *Boundary) (hints []string) {
	for _, wide := range widePolicies {
		for _, arn := range arns {
			if isAWSPolicy(arn, wide.name) && !boundary.takesAway(wide.actions) {
				hints = append(hints, fmt.Sprintf("%s %s: name what is needed in iam.amazonaws.com/role-policy", Quote(arn), wide.allows))
			}
		}
	}
	return hints
}

// isAWSPolicy reports whether an ARN is that of a managed policy of AWS, in any partition.
func isAWSPolicy(arn, name string) bool { return strings.HasSuffix(arn, ":iam::aws:policy/"+name) }

// hashOfWidePolicies identifies those managed policies that there are hints about, "" for
// none.
func hashOfWidePolicies(arns []string) string {
	hints := ManagedPolicyHints(arns, nil)
	if len(hints) == 0 {
		return ""
	}
	return digest([]byte(strings.Join(hints, "\n")))
}
