package identity

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"unicode"
)

// OwnRole is an IAM role that an object is to have for itself.
type OwnRole struct {
	// Policy is its inline policy, as compact JSON, "" for none.
	Policy string
	// ManagedPolicies are the ARNs of those attached to it, in order, each
	// once.
	ManagedPolicies []string
}

// Limits of policies, https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html.
const (
	maxPolicy          = 10_240        // characters that are not white space
	maxCompact         = 2 * maxPolicy // bytes, with the white space in strings
	maxManagedPolicies = 10
)

// ParsePolicy reads an identity-based policy as a tenant wrote it and returns
// it as compact JSON. The error names what is wrong and the remedy. What only
// AWS can know, such as whether an action exists, is left to AWS.
func ParsePolicy(text string) (string, error) {
	var compact bytes.Buffer
	if err := json.Compact(&compact, []byte(text)); err != nil {
		return "", fmt.Errorf("%s is not JSON: %s", Quote(text), oneLine(err.Error()))
	}
	if err := checkCharacters(compact.String()); err != nil {
		return "", err
	}
	var policy struct {
		Version   string          `json:"Version"`
		Statement json.RawMessage `json:"Statement"`
	}
	if err := json.Unmarshal(compact.Bytes(), &policy); err != nil {
		return "", fmt.Errorf("%s is not a policy: give a JSON object with Version and Statement", Quote(compact.String()))
	}
	if policy.Version != "2012-10-17" && policy.Version != "2008-10-17" {
		return "", fmt.Errorf("the Version is %s: give 2012-10-17", Quote(policy.Version))
	}
	statements, err := parseStatements(policy.Statement)
	if err != nil {
		return "", err
	}
	for i, s := range statements {
		if err := s.check(); err != nil {
			return "", fmt.Errorf("statement %d %w", i+1, err)
		}
	}
	return compact.String(), nil
}

// checkCharacters finds what IAM does not take: it counts characters without
// white space, and knows none beyond U+00FF.
func checkCharacters(text string) error {
	n := 0
	for _, r := range text {
		if r > 0xFF {
			return fmt.Errorf("the policy has the character %s, and IAM takes none beyond U+00FF: leave it out", Quote(string(r)))
		}
		if !unicode.IsSpace(r) {
			n++
		}
	}
	if n > maxPolicy {
		return fmt.Errorf("the policy has %d characters without white space, and IAM takes %d: shorten it, or move parts into managed policies", n, maxPolicy)
	}
	if len(text) > maxCompact {
		return fmt.Errorf("the policy has %d bytes without white space between its parts, and at most %d are taken: shorten its strings", len(text), maxCompact)
	}
	return nil
}

// policyStatement holds the elements whose presence is checked.
type policyStatement struct {
	Effect       string          `json:"Effect"`
	Action       json.RawMessage `json:"Action"`
	NotAction    json.RawMessage `json:"NotAction"`
	Resource     json.RawMessage `json:"Resource"`
	NotResource  json.RawMessage `json:"NotResource"`
	Principal    json.RawMessage `json:"Principal"`
	NotPrincipal json.RawMessage `json:"NotPrincipal"`
}

// parseStatements reads one statement or a list of them.
func parseStatements(text json.RawMessage) ([]policyStatement, error) {
	var many []policyStatement
	if json.Unmarshal(text, &many) == nil {
		if len(many) == 0 {
			return nil, errors.New("the policy has no statement: give at least one in Statement")
		}
		return many, nil
	}
	var one policyStatement
	if err := json.Unmarshal(text, &one); err != nil {
		return nil, errors.New("the policy has no statement: give an object, or a list of them, in Statement")
	}
	return []policyStatement{one}, nil
}

func (s policyStatement) check() error {
	switch {
	case s.Effect != "Allow" && s.Effect != "Deny":
		return fmt.Errorf("has the Effect %s: give Allow or Deny", Quote(s.Effect))
	case (s.Action == nil) == (s.NotAction == nil):
		return errors.New("needs either Action or NotAction")
	case (s.Resource == nil) == (s.NotResource == nil):
		return errors.New("needs either Resource or NotResource")
	case s.Principal != nil || s.NotPrincipal != nil:
		return errors.New("has a Principal: remove it, this policy is the role's own")
	}
	return nil
}

// policyARN is that of a managed policy, of an account or of AWS.
var policyARN = regexp.MustCompile(`^arn:aws(?:-[a-z]{1,8}){0,3}:iam::(?:aws|[0-9]{12}):policy/(?:[\x21-\x7E]{1,511}/)?[\w+=,.@-]{1,128}$`)

// ParseManagedPolicies reads a comma-separated list of policy ARNs.
func ParseManagedPolicies(text string) ([]string, error) {
	var all []string
	for part := range strings.SplitSeq(text, ",") {
		arn := strings.TrimSpace(part)
		if !policyARN.MatchString(arn) {
			return nil, fmt.Errorf("%s is not the ARN of a managed policy: expected arn:<partition>:iam::<account or aws>:policy/<name>", Quote(arn))
		}
		if all = append(all, arn); len(all) > maxManagedPolicies {
			return nil, fmt.Errorf("there are more than %d managed policies: IAM attaches no more to a role", maxManagedPolicies)
		}
	}
	slices.Sort(all)
	return slices.Compact(all), nil
}

// oneLine keeps what a decoder says from breaking lines.
func oneLine(text string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return ' '
		}
		return r
	}, text)
}
