package trust

import (
	"encoding/json"
	"fmt"

	"kube-aws-iam-controller/internal/api"
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
	Null         map[string]string `json:"Null,omitempty"`
}

// Policy returns the trust policy of a role that the controller may assume on
// behalf of an external ID, and nobody else, as compact JSON whose bytes are
// the same for the same arguments. principal is the ARN of the controller's
// own role or user. With a session name the role is only one ServiceAccount's,
// with "" the whole namespace's.
//
// Session tags have a statement of their own, because sts:ExternalId is no
// condition key of sts:TagSession, which alone gives nobody credentials:
// https://docs.aws.amazon.com/IAM/latest/UserGuide/id_session-tags.html. A
// controller that runs under EKS Pod Identity passes tags without being asked.
func Policy(principalARN, externalID, sessionName string) (string, error) {
	return render(principalARN, equals(externalID, sessionName))
}

// ManagedPolicy is Policy for a role that the controller makes. It refuses a
// controller whose session has the tags of EKS Pod Identity: these are transitive
// and outrank the role's own tags, so that each tenant's session would have
// the kubernetes-namespace of the controller, and whatever is granted to that by
// tag. See https://docs.aws.amazon.com/eks/latest/userguide/pod-id-abac.html.
//
// A trust policy sees the caller's role tags as aws:PrincipalTag, too. Those are not
// transitive and do no harm, and a role of the controller's may well be tagged
// kubernetes-namespace, as every managed role is. The UID of a pod is in no role's
// tags, and Pod Identity sets all of its tags or none: so it is asked for that one.
func ManagedPolicy(principalARN, externalID, sessionName string) (string, error) {
	demands := equals(externalID, sessionName)
	demands.Null = map[string]string{"aws:PrincipalTag/" + api.PodUIDTag: "true"}
	return render(principalARN, demands)
}

func equals(externalID, sessionName string) *condition {
	demands := map[string]string{"sts:ExternalId": externalID}
	if sessionName != "" {
		demands["sts:RoleSessionName"] = sessionName
	}
	return &condition{StringEquals: demands}
}

func render(principalARN string, demands *condition) (string, error) {
	controller := principal{AWS: principalARN}
	text, err := json.Marshal(policy{
		Version: "2012-10-17",
		Statement: []statement{
			{Effect: "Allow", Principal: controller, Action: "sts:AssumeRole", Condition: demands},
			{Effect: "Allow", Principal: controller, Action: "sts:TagSession"},
		},
	})
	if err != nil {
		return "", fmt.Errorf("render trust policy: %w", err)
	}
	return string(text), nil
}
