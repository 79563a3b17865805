package namespaces

import (
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"regexp/syntax"
	"strconv"
	"strings"

	"kube-aws-iam-controller/internal/identity"
)

// Annotations read on Namespaces.
const (
	// AllowedRoles is kube2iam's: a JSON array of globs.
	AllowedRoles = identity.Prefix + "allowed-roles"
	// Permitted is kiam's: a regular expression.
	Permitted = identity.Prefix + "permitted"
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
	annotation, value string
	permits           func(arn string, base identity.BaseRole) bool
}

// ParseRules reads the rules in a namespace's annotations. Beside an error,
// which names the value and the remedy, it returns rules that permit nothing.
func ParseRules(annotations map[string]string) (Rules, error) {
	var rules Rules
	var problems []error
	for _, kind := range []struct {
		annotation string
		parse      func(string) (func(string, identity.BaseRole) bool, error)
	}{
		{AllowedRoles, parseGlobs},
		{Permitted, parsePattern},
	} {
		value, has := annotations[kind.annotation]
		if !has {
			continue
		}
		permits, err := kind.parse(value)
		if err != nil {
			permits = func(string, identity.BaseRole) bool { return false }
			problems = append(problems, fmt.Errorf("%s: %w: until it is mended, this namespace may use no role", kind.annotation, err))
		}
		rules = append(rules, rule{kind.annotation, value, permits})
	}
	return rules, errors.Join(problems...)
}

// Refusing returns the rule that does not permit a role, as it stands in the
// annotations, "" if all do. Names in rules are looked up in base.
func (r Rules) Refusing(role identity.RoleReference, base identity.BaseRole) string {
	for _, rule := range r {
		if !rule.permits(role.String(), base) {
			return rule.annotation + ": " + shown(rule.value)
		}
	}
	return ""
}

// longestShown is how much of a rule a message repeats.
const longestShown = 100

// shown returns a rule's value as it is, if that is short and printable.
func shown(value string) string {
	if len(value) <= longestShown && strconv.CanBackquote(value) {
		return value
	}
	return identity.Quote(value)
}

func parseGlobs(value string) (func(string, identity.BaseRole) bool, error) {
	if len(value) > longestGlobs {
		return nil, fmt.Errorf("%s is too long: give at most %d bytes", identity.Quote(value), longestGlobs)
	}
	var globs []*string
	if err := json.Unmarshal([]byte(value), &globs); err != nil || globs == nil {
		return nil, notGlobs(value)
	}
	for _, glob := range globs {
		if glob == nil { // null
			return nil, notGlobs(value)
		}
	}
	return func(arn string, base identity.BaseRole) bool {
		for _, glob := range globs {
			pattern := *glob
			if !strings.HasPrefix(pattern, "arn:") {
				pattern = base.String() + pattern
			}
			if matches(pattern, arn) {
				return true
			}
		}
		return false
	}, nil
}

func notGlobs(value string) error {
	return fmt.Errorf(`%s is not a JSON array of strings: give one of role names and ARNs with * for any characters, such as ["app", "team-a/*"]`, identity.Quote(value))
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

func parsePattern(value string) (func(string, identity.BaseRole) bool, error) {
	if len(value) > longestPattern {
		return nil, fmt.Errorf("%s is too long: give at most %d bytes", identity.Quote(value), longestPattern)
	}
	// By itself first: a)|(?:b would close the group that anchors it.
	_, err := regexp.Compile(value)
	if err == nil {
		var anchored *regexp.Regexp
		if anchored, err = regexp.Compile("^(?:" + value + ")$"); err == nil {
			return func(arn string, _ identity.BaseRole) bool { return anchored.MatchString(arn) }, nil
		}
	}
	why := err.Error()
	if malformed, is := errors.AsType[*syntax.Error](err); is {
		why = malformed.Code.String() // the rest repeats the value
	}
	return nil, fmt.Errorf("%s is not a regular expression: %s: give one that matches whole role ARNs, see https://github.com/google/re2/wiki/Syntax",
		identity.Quote(value), why)
}
