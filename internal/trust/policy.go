package trust

import (
	"encoding/json"
	"fmt"

	"kube-aws-iam-controller/internal/api"
)

// policy has the elements of a trust policy that the controller writes, in the
// order of AWS's documentation:
// https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements.html.
type policy struct {
	Version   string      `json:"Version"`
	Statement []statement `json:"Statement"`
}

type statement struct {
	Effect    string     `json:"Effect"`
	Principal principal  `json:"Principal"`
	Action    any        `json:"Action"` // a string, or a list of them
	Condition *condition `json:"Condition,omitempty"`
}

type principal struct {
	AWS string `json:"AWS"`
}

type condition struct {
	StringEquals map[string]any    `json:"StringEquals"` // strings, or lists of them
	Null         map[string]string `json:"Null,omitempty"`
}

// SourceIdentity is the action by which a role accepts the source identity of the
// controller's own session, which is passed on to every role that it assumes. Like
// sts:TagSession it gives nobody credentials:
// https://docs.aws.amazon.com/IAM/latest/UserGuide/id_credentials_temp_control-access_monitor.html.
const SourceIdentity = "sts:SetSourceIdentity"

// Policy returns the trust policy of an existing role, as compact JSON that is
// identical for identical arguments. It allows only principalARN, the controller's
// role or user, to assume the role, and only with externalID. With a session name
// it is restricted to one ServiceAccount, with "" every ServiceAccount of the
// namespace may use it.
//
// Session tags need a statement of their own, because sts:ExternalId is not a
// condition key of sts:TagSession; that action alone gives nobody credentials:
// https://docs.aws.amazon.com/IAM/latest/UserGuide/id_session-tags.html. A
// controller that runs under EKS Pod Identity passes tags even if it is not
// configured to. Further actions that concern what a session passes on stand beside it.
func Policy(principalARN, externalID, sessionName string, passed ...string) (string, error) {
	return render(principalARN, equals(externalID, sessionName), passed)
}

// SharedPolicy returns the trust policy of an existing role that some ServiceAccounts or
// AWSIAMRoles of a namespace share, by their session names. It is that of Policy for one
// name, and has the others in its list, which is a fraction of what statements of their own
// would need of the 2,048 characters that a trust policy may have.
func SharedPolicy(principalARN, externalID string, sessionNames []string, passed ...string) (string, error) {
	demands := equals(externalID, "")
	switch len(sessionNames) {
	case 0:
		return "", fmt.Errorf("trust policy for the external ID %s: nobody is named", externalID)
	case 1:
		demands.StringEquals[sessionNameKey] = sessionNames[0]
	default:
		demands.StringEquals[sessionNameKey] = sessionNames
	}
	return render(principalARN, demands, passed)
}

// ManagedPolicy returns the trust policy of a managed role. Unlike Policy it denies
// a controller whose session carries the tags of EKS Pod Identity. Those tags are
// transitive and override the tags of the role, so every tenant's session would
// carry the controller's kubernetes-namespace, with whatever is granted to that
// tag: https://docs.aws.amazon.com/eks/latest/userguide/pod-id-abac.html.
//
// Tags of the caller's role also appear as aws:PrincipalTag in a trust policy. They
// are not transitive and harmless, and the controller's role may well be tagged
// with kubernetes-namespace. The condition therefore tests the tag for the pod's
// UID, which no role carries: Pod Identity sets either all of its tags or none.
func ManagedPolicy(principalARN, externalID, sessionName string, passed ...string) (string, error) {
	demands := equals(externalID, sessionName)
	demands.Null = map[string]string{"aws:PrincipalTag/" + api.PodUIDTag: "true"}
	return render(principalARN, demands, passed)
}

// sessionNameKey is the condition key of the session name:
// https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_iam-condition-keys.html.
const sessionNameKey = "sts:RoleSessionName"

// equals returns the condition on the external ID and, unless it is "", the session
// name.
func equals(externalID, sessionName string) *condition {
	demands := map[string]any{"sts:ExternalId": externalID}
	if sessionName != "" {
		demands[sessionNameKey] = sessionName
	}
	return &condition{StringEquals: demands}
}

func render(principalARN string, demands *condition, passed []string) (string, error) {
	controller := principal{AWS: principalARN}
	var passing any = "sts:TagSession"
	if len(passed) > 0 {
		passing = append([]string{"sts:TagSession"}, passed...)
	}
	text, err := json.Marshal(policy{
		Version: "2012-10-17",
		Statement: []statement{
			{Effect: "Allow", Principal: controller, Action: "sts:AssumeRole", Condition: demands},
			{Effect: "Allow", Principal: controller, Action: passing},
		},
	})
	if err != nil {
		return "", fmt.Errorf("render trust policy: %w", err)
	}
	return string(text), nil
}
