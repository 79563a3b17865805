package namespaces

import (
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"regexp/syntax"
	"strconv"
	"strings"

	"kube-aws-iam-controller/internal/api"
	"kube-aws-iam-controller/internal/identity"
)

func parsePattern(value string) (func(identity.RoleReference, identity.BaseRole) string, error) {
	if len(value) > maxPattern {
		return nil, tooLong(value, maxPattern)
	}
	value = strings.TrimSpace(value) // ARNs have no surrounding white space
	whole, err := anchored(value)
	if err != nil {
		return nil, malformedPattern(value, err)
	}
	return func(role identity.RoleReference, _ identity.BaseRole) string {
		if whole.MatchString(role.String()) {
			return ""
		}
		return patternViolation(value, role)
	}, nil
}

// anchored compiles an expression that matches only if value matches the whole
// string.
func anchored(value string) (*regexp.Regexp, error) {
	// Without the group first: a)|(?:b is valid only within it, and not anchored.
	if _, err := regexp.Compile(value); err != nil {
		return nil, err
	}
	return regexp.Compile("^(?:" + value + ")$")
}

func malformedPattern(value string, err error) error {
	why := err.Error()
	if malformed, is := errors.AsType[*syntax.Error](err); is {
		why = malformed.Code.String() // the rest of the message repeats the value
	}
	remedy := "write one that matches whole role ARNs, such as .*/app, see https://github.com/google/re2/wiki/Syntax"
	if strings.HasPrefix(value, "[") && strings.HasSuffix(value, "]") {
		remedy = "write one expression, or put the list into " + api.AllowedRolesAnnotation
	}
	if strings.HasPrefix(value, "*") {
		if _, wrong := anchored("." + value); wrong == nil {
			remedy = "in a regular expression .* stands for any characters: write ." + quoteRule(value)
		}
	}
	return fmt.Errorf("%s is not a regular expression (%s), so it permits nothing: %s", identity.Quote(value), why, remedy)
}

// patternViolation returns why an expression does not permit a role, and what to
// write. An expression that matches part of the ARN was probably meant to permit
// it.
func patternViolation(value string, role identity.RoleReference) string {
	arn := role.String()
	var list []any
	if json.Unmarshal([]byte(value), &list) == nil {
		return fmt.Sprintf("%s is one regular expression, not a list, and does not match the ARN. %sput the list into %s",
			quoteRule(value), administrator, api.AllowedRolesAnnotation)
	}
	if part, wider := widenPattern(value, arn); wider != "" {
		return fmt.Sprintf("%s has to match the whole ARN, and matches only %s of it. %swrite %s",
			quoteRule(value), strconv.Quote(part), administrator, wider)
	}
	wider := regexp.QuoteMeta(arn)
	if quoteRule(value) == value {
		wider = value + "|" + wider
	}
	return fmt.Sprintf("%s does not match the ARN. %smake it match, such as %s", quoteRule(value), administrator, wider)
}

// widenPattern returns the part of an ARN that an expression matches, and the
// narrowest expression derived from it that matches the whole ARN, "" if there is
// none.
func widenPattern(value, arn string) (part, wider string) {
	unanchored, err := regexp.Compile(value)
	if err != nil {
		return "", ""
	}
	at := unanchored.FindStringIndex(arn)
	if at == nil || at[0] == at[1] {
		return "", ""
	}
	if strings.Contains(value, "|") {
		value = "(?:" + value + ")"
	}
	before := ".*"
	if strings.HasSuffix(arn[:at[0]], "/") {
		before = ".*/"
	}
	for _, candidate := range []string{before + value, value + ".*", before + value + ".*"} {
		if whole, err := anchored(candidate); err == nil && whole.MatchString(arn) {
			return arn[at[0]:at[1]], candidate
		}
	}
	return "", ""
}
