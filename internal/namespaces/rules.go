package namespaces

import (
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"regexp/syntax"
	"strings"

	"kube-aws-iam-controller/internal/api"
	"kube-aws-iam-controller/internal/identity"
)

// Lengths of rules that are taken, in bytes. What is longer is refused rather
// than searched with.
const (
	longestGlobs   = 65_536
	longestPattern = 4096
)

// Rules are those of one namespace. A role has to satisfy each.
type Rules []rule

type rule struct {
	annotation string
	// refuses returns why the rule does not permit a role, and the remedy, ""
	// if it does.
	refuses func(role identity.RoleReference, base identity.BaseRole) string
}

// ParseRules reads the rules in a namespace's annotations. Beside an error,
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
			problems = append(problems, fmt.Errorf("%s: %w. Until it is corrected, this namespace may use no role", kind.annotation, err))
		}
		rules = append(rules, rule{kind.annotation, refuses})
	}
	return rules, errors.Join(problems...)
}

// Refusing returns which rule does not permit a role, why, and what to do about
// it, "" if all permit it. Names in rules are looked up in base.
func (r Rules) Refusing(role identity.RoleReference, base identity.BaseRole) string {
	for _, rule := range r {
		if why := rule.refuses(role, base); why != "" {
			return rule.annotation + ": " + why
		}
	}
	return ""
}

func parseGlobs(value string) (func(identity.RoleReference, identity.BaseRole) string, error) {
	if len(value) > longestGlobs {
		return nil, tooLong(value, longestGlobs)
	}
	var globs []*string
	if err := json.Unmarshal([]byte(strings.TrimSpace(value)), &globs); err != nil || globs == nil {
		return nil, notGlobs(value)
	}
	for _, glob := range globs {
		if glob == nil { // null
			return nil, notGlobs(value)
		}
	}
	return func(role identity.RoleReference, base identity.BaseRole) string {
		for _, glob := range globs {
			pattern := strings.TrimSpace(*glob) // as people write roles, see identity.ReadRole
			if !strings.HasPrefix(pattern, "arn:") {
				pattern = base.String() + strings.TrimPrefix(pattern, "/")
			}
			if matches(pattern, role.String()) {
				return ""
			}
		}
		return refuseByGlobs(value, role, base)
	}, nil
}

// matches says whether s is as a glob says, in which * stands for any
// characters, none and slashes among them.
func matches(glob, s string) bool {
	parts := strings.Split(glob, "*")
	last := len(parts) - 1
	if last == 0 {
		return glob == s
	}
	rest, found := strings.CutPrefix(s, parts[0])
	if !found {
		return false
	}
	for _, part := range parts[1:last] {
		if _, rest, found = strings.Cut(rest, part); !found {
			return false
		}
	}
	return strings.HasSuffix(rest, parts[last])
}

func parsePattern(value string) (func(identity.RoleReference, identity.BaseRole) string, error) {
	if len(value) > longestPattern {
		return nil, tooLong(value, longestPattern)
	}
	value = strings.TrimSpace(value) // no role's ARN has any around it
	whole, err := anchored(value)
	if err != nil {
		return nil, notPattern(value, err)
	}
	return func(role identity.RoleReference, _ identity.BaseRole) string {
		if whole.MatchString(role.String()) {
			return ""
		}
		return refuseByPattern(value, role)
	}, nil
}

// anchored returns an expression that matches what another matches as a whole.
func anchored(value string) (*regexp.Regexp, error) {
	// By itself first: a)|(?:b would close the group that anchors it.
	if _, err := regexp.Compile(value); err != nil {
		return nil, err
	}
	return regexp.Compile("^(?:" + value + ")$")
}

func tooLong(value string, limit int) error {
	return fmt.Errorf("%s is too long, so it permits nothing: write at most %d bytes", identity.Quote(value), limit)
}

func notPattern(value string, err error) error {
	why := err.Error()
	if malformed, is := errors.AsType[*syntax.Error](err); is {
		why = malformed.Code.String() // the rest repeats the value
	}
	remedy := "write one that matches whole role ARNs, such as .*/app, see https://github.com/google/re2/wiki/Syntax"
	if strings.HasPrefix(value, "[") && strings.HasSuffix(value, "]") {
		remedy = "write one expression, or put the list into " + api.AllowedRolesAnnotation
	}
	if strings.HasPrefix(value, "*") {
		if _, wrong := anchored("." + value); wrong == nil {
			remedy = "in a regular expression .* stands for any characters: write ." + shown(value)
		}
	}
	return fmt.Errorf("%s is not a regular expression (%s), so it permits nothing: %s", identity.Quote(value), why, remedy)
}
