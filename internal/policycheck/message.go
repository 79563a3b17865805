package policycheck

import (
	"fmt"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/accessanalyzer/types"

	"kube-aws-iam-controller/internal/api"
)

// maxFindings is how many findings an event names.
const maxFindings = 3

// message returns the message of an event.
func message(findings []types.ValidatePolicyFinding) string {
	var parts []string
	for i := range findings[:min(len(findings), maxFindings)] {
		f := &findings[i]
		details := strings.Join(strings.Fields(aws.ToString(f.FindingDetails)), " ")
		parts = append(parts, fmt.Sprintf("%s%s (%s)", where(f), details, aws.ToString(f.IssueCode)))
	}
	if more := len(findings) - len(parts); more > 0 {
		parts = append(parts, fmt.Sprintf("and %d more", more))
	}
	return api.RolePolicyAnnotation + " is in effect, and IAM Access Analyzer says of it: " + strings.Join(parts, "; ")
}

// where returns which statement a finding is about, "" for the whole policy.
func where(f *types.ValidatePolicyFinding) string {
	for _, location := range f.Locations {
		for i, element := range location.Path {
			value, is := element.(*types.PathElementMemberValue)
			if !is || value.Value != "Statement" || i+1 >= len(location.Path) {
				continue
			}
			if index, is := location.Path[i+1].(*types.PathElementMemberIndex); is {
				return fmt.Sprintf("statement %d: ", index.Value+1)
			}
		}
	}
	return ""
}
