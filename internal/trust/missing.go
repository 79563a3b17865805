package trust

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"kube-aws-iam-controller/internal/identity"
)

// Missing returns what a trust policy lacks for a controller to assume the role under an
// external ID and a session name, "" for nothing. An empty principal stands for whatever
// the policy names, an empty session name for any.
//
// It explains and decides nothing: policies with other conditions than those that Policy
// writes are not recognized, and only STS can say what they allow.
func Missing(policy, principalARN, externalID, sessionName string) string {
	normal, err := identity.NormalizePolicy(policy, identity.TrustPolicy)
	if err != nil {
		return "it is not a trust policy by IAM's grammar: " + err.Error()
	}
	var document struct {
		Statement many[assumption] `json:"Statement"`
	}
	if err = json.Unmarshal([]byte(normal), &document); err != nil {
		return "it cannot be read: " + err.Error()
	}
	why := []string{}
	for _, s := range document.Statement {
		if s.Effect != "Allow" || !slices.ContainsFunc(s.Action, allowsAssumeRole) {
			continue
		}
		lacks := s.lacks(principalARN, externalID, sessionName)
		if lacks == "" {
			return ""
		}
		why = append(why, lacks)
	}
	if len(why) == 0 {
		return "no statement allows sts:AssumeRole"
	}
	return strings.Join(slices.Compact(why), "; ")
}

// assumption is what is looked at of a statement of a normalized trust policy.
type assumption struct {
	Effect    string `json:"Effect"`
	Principal struct {
		AWS many[string] `json:"AWS"`
	} `json:"Principal"`
	Action    many[string]                       `json:"Action"`
	Condition map[string]map[string]many[string] `json:"Condition"`
}

func allowsAssumeRole(action string) bool {
	return strings.EqualFold(action, "sts:AssumeRole") || strings.EqualFold(action, "sts:*") || action == "*"
}

// lacks returns why a statement does not allow the controller, "" if it does.
func (s *assumption) lacks(principalARN, externalID, sessionName string) string {
	if len(s.Principal.AWS) == 0 {
		return "it names no principal of AWS"
	}
	if principalARN != "" && !slices.ContainsFunc(s.Principal.AWS, func(named string) bool { return covers(named, principalARN) }) {
		return fmt.Sprintf("it names %s, and not the controller's %s", strings.Join(s.Principal.AWS, ", "), principalARN)
	}
	for operator, keys := range s.Condition {
		for key, values := range keys {
			presented, known := "", operator == "StringEquals"
			switch {
			case strings.EqualFold(key, "sts:ExternalId"):
				presented = externalID
			case strings.EqualFold(key, "sts:RoleSessionName"):
				presented = sessionName
			default:
				known = false
			}
			if !known {
				return fmt.Sprintf("it has the condition %s of %s, which is not one that is needed", operator, key)
			}
			if presented != "" && !slices.Contains(values, presented) {
				return fmt.Sprintf("it demands the %s %s, and the controller presents %s", key, strings.Join(values, ", "), presented)
			}
		}
	}
	return ""
}

// covers reports whether a principal of a policy includes a role or user: itself, its
// account, or everybody.
func covers(named, arn string) bool {
	account := ""
	if parts := strings.SplitN(arn, ":", 6); len(parts) == 6 {
		account = parts[4]
	}
	return named == arn || named == "*" || account != "" && (named == account || strings.HasSuffix(named, "::"+account+":root"))
}

// many is a list that JSON may have as its only element instead.
type many[T any] []T

// UnmarshalJSON implements json.Unmarshaler.
func (m *many[T]) UnmarshalJSON(text []byte) error {
	if strings.HasPrefix(strings.TrimSpace(string(text)), "[") {
		return json.Unmarshal(text, (*[]T)(m))
	}
	var one T
	err := json.Unmarshal(text, &one)
	*m = many[T]{one}
	return err
}
