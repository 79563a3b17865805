package namespaces

import (
	"encoding/json"
	"fmt"
	"regexp"
	"strconv"
	"strings"

	"kube-aws-iam-controller/internal/api"
	"kube-aws-iam-controller/internal/identity"
)

// administrator is who can change what a refusal names.
const administrator = "Use a role that is permitted, or have whoever administers the namespace "

// longestShown is how much of a rule a message repeats.
const longestShown = 100

// shown returns a rule's value as it is, if that is short, printable and not
// empty.
func shown(value string) string {
	if value != "" && len(value) <= longestShown && strconv.CanBackquote(value) {
		return value
	}
	return identity.Quote(value)
}

// refuseByGlobs says why no glob of a list permits a role, and what to add.
func refuseByGlobs(value string, role identity.RoleReference, base identity.BaseRole) string {
	name, below := strings.CutPrefix(role.String(), base.String())
	switch {
	case below:
		return fmt.Sprintf("%s does not include it. %sadd %s", shown(value), administrator, strconv.Quote(name))
	case role.Account != base.Account || role.Partition != base.Partition:
		return fmt.Sprintf("%s does not include it: entries that do not begin with arn: refer to roles below %s. %sadd %s",
			shown(value), base, administrator, strconv.Quote(role.String()))
	default:
		return fmt.Sprintf("%s does not include it. %sadd %s", shown(value), administrator, strconv.Quote(role.String()))
	}
}

// refuseByPattern says why an expression does not permit a role, and what to
// write. One that matches a part of the ARN was meant to permit it.
func refuseByPattern(value string, role identity.RoleReference) string {
	arn := role.String()
	var list []any
	if json.Unmarshal([]byte(value), &list) == nil {
		return fmt.Sprintf("%s is one regular expression, not a list, and does not match the ARN. %sput the list into %s",
			shown(value), administrator, api.AllowedRolesAnnotation)
	}
	if part, wider := widened(value, arn); wider != "" {
		return fmt.Sprintf("%s has to match the whole ARN, and matches only %s of it. %swrite %s",
			shown(value), strconv.Quote(part), administrator, wider)
	}
	wider := regexp.QuoteMeta(arn)
	if shown(value) == value {
		wider = value + "|" + wider
	}
	return fmt.Sprintf("%s does not match the ARN. %smake it match, such as %s", shown(value), administrator, wider)
}

// widened returns the part of an ARN that an expression matches, and the narrowest
// expression made of it that matches the whole; "" if there is none.
func widened(value, arn string) (part, wider string) {
	loose, err := regexp.Compile(value)
	if err != nil {
		return "", ""
	}
	at := loose.FindStringIndex(arn)
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

// repairable are the characters of roles' names, paths and ARNs, and stars.
var repairable = regexp.MustCompile(`^[\w+=,.@/:*-]+$`)

// notGlobs says what is wrong with a value that is no list of globs, and what was
// probably meant.
func notGlobs(value string) error {
	cause := "is not JSON"
	if json.Valid([]byte(value)) {
		cause = "is JSON, but not an array of strings"
	}
	return fmt.Errorf("%s %s, so it permits nothing: write %s", identity.Quote(value), cause, repaired(value))
}

// repaired returns the JSON array that a value was probably meant to be: someone
// left out its quotes or brackets, or wrote YAML.
func repaired(value string) string {
	fields := strings.FieldsFunc(value, func(r rune) bool { return strings.ContainsRune(" \t\r\n,[]\"'`“”‘’", r) })
	var names []string
	for _, field := range fields {
		if field == "-" {
			continue
		}
		if !repairable.MatchString(field) || field == "null" {
			names = nil
			break
		}
		names = append(names, field)
	}
	text, err := json.Marshal(names)
	if len(names) == 0 || err != nil || len(text) > longestShown {
		return `role names and ARNs, with * for any characters, such as ["app", "team-a/*"]`
	}
	return string(text)
}
