package namespaces

import (
	"errors"
	"fmt"

	"kube-aws-iam-controller/internal/api"
	"kube-aws-iam-controller/internal/identity"
)

// Limits of rules, in bytes. Longer ones are rejected to bound the cost of
// matching.
const (
	maxGlobs   = 65_536
	maxPattern = 4096
)

// Rules are those of one namespace. A role has to satisfy all of them.
type Rules []rule

type rule struct {
	annotation string
	// malformed reports that it could not be parsed, so that it permits nothing new.
	malformed bool
	// violation returns why the rule does not permit a role, and the remedy, or ""
	// if it does.
	violation func(role identity.RoleReference, base identity.BaseRole) string
}

// ParseRules parses the rules in a namespace's annotations. Together with an error,
// which names the value and the remedy, it returns rules that permit nothing.
func ParseRules(annotations map[string]string) (Rules, error) {
	var rules Rules
	var problems []error
	for _, kind := range []struct {
		annotation string
		parse      func(string) (func(identity.RoleReference, identity.BaseRole) string, error)
	}{
		{api.AllowedRolesAnnotation, parseGlobs},
		{api.PermittedAnnotation, parsePattern},
	} {
		value, has := annotations[kind.annotation]
		if !has {
			continue
		}
		refuses, err := kind.parse(value)
		if err != nil {
			why := err.Error()
			refuses = func(identity.RoleReference, identity.BaseRole) string { return why }
			problems = append(problems, fmt.Errorf("%s: %w. Until it is corrected, objects in this namespace keep the credentials that they have, and are given none for other roles", kind.annotation, err))
		}
		rules = append(rules, rule{kind.annotation, err != nil, refuses})
	}
	return rules, errors.Join(problems...)
}

// Violation returns which rule does not permit a role, why, and the remedy, or ""
// if all rules permit it. malformed reports that those that could be parsed permit it.
// Role names in rules are completed by base.
func (r Rules) Violation(role identity.RoleReference, base identity.BaseRole) (message string, malformed bool) {
	for _, rule := range r {
		why := rule.violation(role, base)
		switch {
		case why == "":
		case !rule.malformed:
			return rule.annotation + ": " + why, false
		case message == "":
			message, malformed = rule.annotation+": "+why, true
		}
	}
	return message, malformed
}

func tooLong(value string, limit int) error {
	return fmt.Errorf("%s is too long, so it permits nothing: write at most %d bytes", identity.Quote(value), limit)
}
