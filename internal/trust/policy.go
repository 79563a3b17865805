package trust

import (
	"encoding/json"
	"fmt"
)

// The elements of a trust policy that the controller knows, in the order in
// which AWS's documentation shows them:
// https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements.html.
type policy struct {
	Version   string      `json:"Version"`
	Statement []statement `json:"Statement"`
}

type statement struct {
	Effect    string     `json:"Effect"`
	Principal principal  `json:"Principal"`
	Action    string     `json:"Action"`
	Condition *condition `json:"Condition,omitempty"`
}

type principal struct {
	AWS string `json:"AWS"`
}

type condition struct {
	StringEquals map[string]string `json:"StringEquals"`
}

// Policy returns the trust policy of a role that the controller may assume on
// behalf of an external ID, and nobody else, as compact JSON whose bytes are
// the same for the same arguments. principal is the ARN of the controller's
// own role or user.
//
// Session tags have a statement of their own, because sts:ExternalId is no
// condition key of sts:TagSession, which alone gives nobody credentials:
// https://docs.aws.amazon.com/IAM/latest/UserGuide/id_session-tags.html. A
// controller that runs under EKS Pod Identity passes tags without being asked.
func Policy(principalARN, externalID string) (string, error) {
	controller := principal{AWS: principalARN}
	text, err := json.Marshal(policy{
		Version: "2012-10-17",
		Statement: []statement{
			{
				Effect: "Allow", Principal: controller, Action: "sts:AssumeRole",
				Condition: &condition{StringEquals: map[string]string{"sts:ExternalId": externalID}},
			},
			{Effect: "Allow", Principal: controller, Action: "sts:TagSession"},
		},
	})
	if err != nil {
		return "", fmt.Errorf("render trust policy: %w", err)
	}
	return string(text), nil
}
