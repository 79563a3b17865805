package identity

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// A PolicyKind says which elements the statements of a policy have.
type PolicyKind int

// The kinds of policies.
const (
	// IdentityPolicy grants its role something: it has resources.
	IdentityPolicy PolicyKind = iota
	// TrustPolicy says who may assume its role: it has principals.
	TrustPolicy
)

// The elements of policies. Their case counts:
// https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_grammar.html.
var (
	policyElements    = []string{"Version", "Id", "Statement"}
	statementElements = []string{
		"Sid", "Effect", "Principal", "NotPrincipal", "Action", "NotAction", "Resource", "NotResource", "Condition",
	}
	principalKinds = []string{"AWS", "Service", "Federated", "CanonicalUser"}
)

const examplePolicy = `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"s3:GetObject","Resource":"arn:aws:s3:::bucket/*"}]}`

// checkPolicy says what in a policy is not as IAM's grammar has it. Whatever is
// not in the grammar is refused, never passed over: who writes it believes that
// it counts.
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

// statementsOf returns one statement, or all of a list.
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

// elements returns the members of an object, each of which has to be known and
// there once.
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

// checkStatement returns the statement's Sid.
func checkStatement(v jsonValue, kind PolicyKind) (sid string, err error) {
	elements, err := v.elements("statement", statementElements)
	if err != nil {
		return "", err
	}
	sid, err = checkSid(elements)
	return sid, firstOf(
		err,
		checkEffect(elements),
		checkWho(elements, kind),
		either(elements, "Action", "NotAction", checkAction),
		checkWhat(elements, kind),
		checkCondition(elements),
	)
}

func firstOf(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

// sidPattern is what IAM takes for one: "Statement IDs (SID) must be alpha-numeric".
var sidPattern = regexp.MustCompile(`^[0-9A-Za-z]*$`)

func checkSid(elements map[string]jsonValue) (string, error) {
	sid, has := elements["Sid"]
	switch {
	case has && sid.kind != jsonString:
		return "", fmt.Errorf("has %s for Sid: give a string", sid.kind)
	case !sidPattern.MatchString(sid.text):
		return "", fmt.Errorf("has the Sid %s: IAM takes letters and digits only", Quote(sid.text))
	}
	return sid.text, nil
}

func checkEffect(elements map[string]jsonValue) error {
	effect, has := elements["Effect"]
	switch {
	case !has:
		return errors.New("has no Effect: give Allow or Deny")
	case effect.kind != jsonString:
		return fmt.Errorf("has %s for Effect: give Allow or Deny", effect.kind)
	case effect.text != "Allow" && effect.text != "Deny":
		return fmt.Errorf("has the Effect %s: give Allow or Deny", Quote(effect.text))
	}
	return nil
}

// either checks that one of two elements is there, and each of its strings.
func either(elements map[string]jsonValue, yes, no string, check func(string) error) error {
	name := yes
	_, hasYes := elements[yes]
	_, hasNo := elements[no]
	switch {
	case hasYes && hasNo:
		return fmt.Errorf("needs either %s or %s: it has both, keep one", yes, no)
	case !hasYes && !hasNo:
		return fmt.Errorf("needs either %s or %s: give one", yes, no)
	case hasNo:
		name = no
	}
	return eachString(elements[name], name, check)
}

// eachString checks a string, or each of a list that is not empty.
func eachString(v jsonValue, name string, check func(string) error) error {
	if v.kind == jsonString {
		v.items = []jsonValue{v}
	} else if v.kind != jsonList {
		return fmt.Errorf("has %s for %s: give a string or a list of strings", v.kind, name)
	}
	if len(v.items) == 0 {
		return fmt.Errorf("has an empty list for %s: give at least one", name)
	}
	for _, item := range v.items {
		if item.kind != jsonString {
			return fmt.Errorf("has %s in the list of %s: give strings", item.kind, name)
		}
		if err := check(item.text); err != nil {
			return fmt.Errorf("has the %s %s: %w", name, Quote(item.text), err)
		}
	}
	return nil
}

// checkAction leaves to AWS which services and actions there are.
func checkAction(action string) error {
	if action != "*" && !strings.Contains(action, ":") {
		return errors.New(`give "*", or a service and an action such as s3:GetObject`)
	}
	return nil
}

func checkResource(resource string) error {
	if resource != "*" && !strings.Contains(resource, ":") {
		return errors.New(`give "*", or an ARN such as arn:aws:s3:::bucket/*`)
	}
	return nil
}

// checkWhat checks the resources of an identity policy.
func checkWhat(elements map[string]jsonValue, kind PolicyKind) error {
	if kind == IdentityPolicy {
		return either(elements, "Resource", "NotResource", checkResource)
	}
	for _, name := range []string{"Resource", "NotResource"} {
		if _, has := elements[name]; has {
			return fmt.Errorf("has a %s: a trust policy is for its own role", name)
		}
	}
	return nil
}

// checkWho checks the principals of a trust policy.
func checkWho(elements map[string]jsonValue, kind PolicyKind) error {
	principal, has := elements["Principal"]
	other, hasOther := elements["NotPrincipal"]
	switch {
	case kind == IdentityPolicy && (has || hasOther):
		return errors.New("has a Principal: remove it, this policy is the role's own")
	case kind == IdentityPolicy:
		return nil
	case has == hasOther:
		return errors.New("needs either Principal or NotPrincipal")
	case hasOther:
		principal = other
	}
	if principal.kind == jsonString && principal.text == "*" {
		return nil
	}
	byKind, err := principal.elements("Principal", principalKinds)
	if err != nil {
		return fmt.Errorf("has a Principal that %w", err)
	}
	if len(byKind) == 0 {
		return errors.New("has an empty Principal: give at least one")
	}
	for _, kind := range principalKinds {
		principals, has := byKind[kind]
		if !has {
			continue
		}
		if err := eachString(principals, "Principal "+kind, func(string) error { return nil }); err != nil {
			return err
		}
	}
	return nil
}
