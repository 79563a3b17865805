package namespaces

import (
	"encoding/json"
	"fmt"
	"regexp"
	"strconv"
	"strings"

	"kube-aws-iam-controller/internal/identity"
)

func parseGlobs(value string) (func(identity.RoleReference, identity.BaseRole) string, error) {
	if len(value) > maxGlobs {
		return nil, tooLong(value, maxGlobs)
	}
	var globs []*string
	if err := json.Unmarshal([]byte(strings.TrimSpace(value)), &globs); err != nil || globs == nil {
		return nil, malformedGlobs(value)
	}
	for _, glob := range globs {
		if glob == nil { // null
			return nil, malformedGlobs(value)
		}
	}
	return func(role identity.RoleReference, base identity.BaseRole) string {
		for _, glob := range globs {
			pattern := strings.TrimSpace(*glob) // lenient like identity.ReadRole
			if !strings.HasPrefix(pattern, "arn:") {
				pattern = base.String() + strings.TrimPrefix(pattern, "/")
			}
			if matchGlob(pattern, role.String()) {
				return ""
			}
		}
		return globViolation(value, role, base)
	}, nil
}

// matchGlob reports whether s matches glob, in which * stands for any number of any
// characters, slashes included.
func matchGlob(glob, s string) bool {
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

// globViolation returns why none of the globs permits a role, and what to add.
func globViolation(value string, role identity.RoleReference, base identity.BaseRole) string {
	name, relative := strings.CutPrefix(role.String(), base.String())
	switch {
	case relative:
		return fmt.Sprintf("%s does not include it. %sadd %s", quoteRule(value), administrator, strconv.Quote(name))
	case role.Account != base.Account || role.Partition != base.Partition:
		return fmt.Sprintf("%s does not include it: entries that do not begin with arn: refer to roles below %s. %sadd %s",
			quoteRule(value), base, administrator, strconv.Quote(role.String()))
	default:
		return fmt.Sprintf("%s does not include it. %sadd %s", quoteRule(value), administrator, strconv.Quote(role.String()))
	}
}

// roleCharacters are those of role names, paths and ARNs, and the wildcard.
var roleCharacters = regexp.MustCompile(`^[\w+=,.@/:*-]+$`)

// malformedGlobs returns what is wrong with a value that is not a list of globs,
// and what was probably meant.
func malformedGlobs(value string) error {
	cause := "is not JSON"
	if json.Valid([]byte(value)) {
		cause = "is JSON, but not an array of strings"
	}
	return fmt.Errorf("%s %s, so it permits nothing: write %s", identity.Quote(value), cause, suggestGlobs(value))
}

// listMarks are characters that separate or enclose the items of lists in JSON and YAML, or
// of what people take for that.
const listMarks = "\n,[]\"'`“”‘’"

// suggestGlobs returns the JSON array that a value was probably meant to be, for
// example one written without quotes or brackets, or as YAML.
func suggestGlobs(value string) string {
	fields := strings.FieldsFunc(value, func(r rune) bool { return strings.ContainsRune(" \t\r"+listMarks, r) })
	var names []string
	for _, field := range fields {
		if field == "-" {
			continue
		}
		if !roleCharacters.MatchString(field) || field == "null" {
			names = nil
			break
		}
		names = append(names, field)
	}
	text, err := json.Marshal(names)
	sentence := len(names) > 1 && !strings.ContainsAny(value, listMarks) // words, and nothing of a list
	if sentence || len(names) == 0 || err != nil || len(text) > maxShown {
		return `role names and ARNs, with * for any characters, such as ["app", "team-a/*"]`
	}
	return string(text)
}
