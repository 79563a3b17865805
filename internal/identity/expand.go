package identity

import (
	"bytes"
	"encoding/json"
	"fmt"
	"regexp"
	"strings"
)

// References to variables are written as in the args of a container: $(name), and
// $$(name) for the text $(name) itself. See
// https://kubernetes.io/docs/tasks/inject-data-application/define-interdependent-environment-variables/.
const (
	dollar       = '$'
	variableOpen = "$("
)

// variableValue matches every value that a variable may have. None of its characters
// means anything in JSON, in an ARN, or to IAM: no quotation mark, backslash, colon,
// slash, comma, wildcard or ${.
var variableValue = regexp.MustCompile(`^[0-9A-Za-z._-]+$`)

// HasVariables reports whether text contains "$(". Expand changes no other text.
func HasVariables(text string) bool { return strings.Contains(text, variableOpen) }

// Expand returns text with the values of the variables in it. Unlike Kubernetes, it
// rejects a reference to an unknown variable and one that is not closed, because such a
// typing error would silently become another role or resource; and it leaves $$ alone
// where no parenthesis follows.
func (v Variables) Expand(text string) (string, error) { return expand(text, v.value) }

func expand(text string, valueOf func(name string) (string, error)) (string, error) {
	var out strings.Builder
	for {
		before, rest, found := strings.Cut(text, variableOpen)
		if !found {
			out.WriteString(text)
			return out.String(), nil
		}
		plain := strings.TrimRight(before, string(dollar))
		dollars := len(before) - len(plain) + 1
		out.WriteString(plain)
		out.WriteString(strings.Repeat(string(dollar), dollars/2))
		if text = rest; dollars%2 == 0 {
			out.WriteByte('(')
			continue
		}
		name, after, closed := strings.Cut(rest, ")")
		if !closed {
			return "", fmt.Errorf("the variable %s is not closed: write %s, or $$( for the text $( itself", Quote(variableOpen+rest), reference(begins(rest)))
		}
		value, err := valueOf(name)
		if err != nil {
			return "", err
		}
		out.WriteString(value)
		text = after
	}
}

// ExpandPolicy is Expand for a policy, which it returns as compact JSON. The policy is
// JSON before values are inserted, so "$(" stands within a string, and no value can end
// that or be read as an escape sequence.
func (v Variables) ExpandPolicy(text string) (string, error) {
	compact, err := CompactTemplate(text)
	if err != nil {
		return "", err
	}
	return v.Expand(compact)
}

// CompactTemplate returns a policy whose variables are not expanded as compact JSON. Of
// its grammar nothing is checked.
func CompactTemplate(text string) (string, error) {
	if err := checkSyntax(text); err != nil {
		return "", err
	}
	var compact bytes.Buffer
	if err := json.Compact(&compact, []byte(strings.TrimSpace(text))); err != nil {
		return "", err
	}
	if compact.Len() > maxCompact {
		return "", tooManyBytes(compact.Len())
	}
	return compact.String(), nil
}

var opening = regexp.MustCompile(`\$+\(`)

// EscapeVariables returns the text that Expand turns into text.
func EscapeVariables(text string) string {
	return opening.ReplaceAllStringFunc(text, func(found string) string {
		return strings.Repeat(string(dollar), len(found)-1) + found
	})
}
