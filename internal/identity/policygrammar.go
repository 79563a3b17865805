package identity

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// A PolicyKind determines which elements the statements of a policy may have.
type PolicyKind int

// The supported kinds of policies.
const (
	// IdentityPolicy grants permissions to the role it belongs to: it has resources
	// and no principals.
	IdentityPolicy PolicyKind = iota
	// TrustPolicy determines who may assume the role it belongs to: it has
	// principals and no resources.
	TrustPolicy
	// SessionPolicy limits the permissions of one session of a role. Its elements are
	// those of an IdentityPolicy, and it is shorter.
	SessionPolicy
)

// The elements of policies, which are case-sensitive:
// https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_grammar.html.
var (
	policyElements    = []string{"Version", "Id", "Statement"}
	statementElements = []string{
		"Sid", "Effect", "Principal", "NotPrincipal", "Action", "NotAction", "Resource", "NotResource", "Condition",
	}
	principalKinds = []string{"AWS", "Service", "Federated", "CanonicalUser"}
)

const examplePolicy = `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"s3:GetObject","Resource":"arn:aws:s3:::bucket/*"}]}`

// checkPolicy checks a policy against IAM's grammar. Anything outside the grammar
// is rejected rather than ignored, because its author believes that it has an
// effect.
func checkPolicy(policy jsonValue, kind PolicyKind) error {
	elements, err := policy.elements("policy", policyElements)
	if err != nil {
		return fmt.Errorf("the policy %w", err)
	}
	if err = checkVersion(elements["Version"]); err != nil {
		return err
	}
	if id, has := elements["Id"]; has && id.kind != jsonString {
		return fmt.Errorf("the Id of the policy is %s: give a string", id.kind)
	}
	statements, err := statementsOf(elements["Statement"])
	if err != nil {
		return err
	}
	sids := map[string]int{}
	for i, statement := range statements {
		sid, err := checkStatement(statement, kind)
		if err != nil {
			return fmt.Errorf("statement %d %w", i+1, err)
		}
		if first, taken := sids[sid]; taken && sid != "" {
			return fmt.Errorf("statements %d and %d have the same Sid, %s: give one of them another", first, i+1, Quote(sid))
		}
		sids[sid] = i + 1
	}
	return nil
}

func checkVersion(version jsonValue) error {
	switch {
	case version.kind == "":
		return errors.New("the Version is missing: give 2012-10-17")
	case version.kind != jsonString:
		return fmt.Errorf("the Version is %s: give 2012-10-17, as a string", version.kind)
	case version.text != "2012-10-17" && version.text != "2008-10-17":
		return fmt.Errorf("the Version is %s: give 2012-10-17", Quote(version.text))
	}
	return nil
}

// statementsOf returns the statements of a Statement element, which is an object or
// a non-empty list.
func statementsOf(v jsonValue) ([]jsonValue, error) {
	switch {
	case v.kind == jsonObject:
		return []jsonValue{v}, nil
	case v.kind == jsonList && len(v.items) > 0:
		return v.items, nil
	case v.kind == "" || v.kind == jsonList:
		return nil, errors.New("the policy has no statement: give at least one in Statement")
	}
	return nil, fmt.Errorf("the policy has no statement, Statement is %s: give an object, or a list of them", v.kind)
}

// elements returns the members of an object, rejecting unknown and duplicate keys.
// The parameter of names the object in errors.
func (v jsonValue) elements(of string, known []string) (map[string]jsonValue, error) {
	if v.kind != jsonObject {
		return nil, fmt.Errorf("is %s: give an object", v.kind)
	}
	elements := make(map[string]jsonValue, len(v.members))
	for _, m := range v.members {
		if !slices.Contains(known, m.key) {
			remedy := "the elements are " + strings.Join(known, ", ")
			if nearest := Nearest(m.key, known); nearest != "" {
				remedy = "write " + nearest
			} else if of == "policy" {
				remedy = "give Version and Statement, such as " + examplePolicy
			}
			return nil, fmt.Errorf("has %s, which is not an element of a %s: %s", Quote(m.key), of, remedy)
		}
		if _, twice := elements[m.key]; twice {
			return nil, fmt.Errorf("has %s twice: keep one of them", m.key)
		}
		elements[m.key] = m.value
	}
	return elements, nil
}
