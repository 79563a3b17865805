package identity

import (
	"errors"
	"fmt"
	"regexp"
	"strings"
)

// checkStatement checks one statement and returns its Sid, "" if it has none.
func checkStatement(v jsonValue, kind PolicyKind) (sid string, err error) {
	elements, err := v.elements("statement", statementElements)
	if err != nil {
		return "", err
	}
	sid, err = checkSid(elements)
	return sid, firstOf(
		err,
		checkEffect(elements),
		checkPrincipals(elements, kind),
		checkEither(elements, "Action", "NotAction", checkAction),
		checkResources(elements, kind),
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

// sidPattern follows IAM's message "Statement IDs (SID) must be alpha-numeric".
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

// checkEither requires exactly one of two elements and checks each of its strings.
func checkEither(elements map[string]jsonValue, yes, no string, check func(string) error) error {
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
	return checkStrings(elements[name], name, check)
}

// checkStrings checks a string, or each string of a non-empty list.
func checkStrings(v jsonValue, name string, check func(string) error) error {
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

// checkAction checks the form only: which services and actions exist is left to
// AWS.
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

// checkResources rejects resources in a trust policy and requires them in any
// other.
func checkResources(elements map[string]jsonValue, kind PolicyKind) error {
	if kind != TrustPolicy {
		return checkEither(elements, "Resource", "NotResource", checkResource)
	}
	for _, name := range []string{"Resource", "NotResource"} {
		if _, has := elements[name]; has {
			return fmt.Errorf("has a %s: a trust policy is for its own role", name)
		}
	}
	return nil
}

// checkPrincipals requires principals in a trust policy and rejects them in any
// other.
func checkPrincipals(elements map[string]jsonValue, kind PolicyKind) error {
	principal, has := elements["Principal"]
	other, hasOther := elements["NotPrincipal"]
	switch {
	case kind != TrustPolicy:
		return checkNoPrincipals(kind, has, hasOther)
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
		if err := checkStrings(principals, "Principal "+kind, func(string) error { return nil }); err != nil {
			return err
		}
	}
	return nil
}

func checkNoPrincipals(kind PolicyKind, has, hasOther bool) error {
	name, whose := "Principal", "the role's own"
	if !has {
		name = "NotPrincipal"
	}
	if kind == SessionPolicy {
		whose = "for the sessions of this object alone"
	}
	if has || hasOther {
		return fmt.Errorf("has a %s: remove it, this policy is %s", name, whose)
	}
	return nil
}
