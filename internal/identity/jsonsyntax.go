package identity

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// checkSyntax returns an error with the position of the first JSON syntax error in
// text. Surrounding white space of any kind is ignored.
func checkSyntax(text string) error {
	inner := strings.TrimSpace(text)
	if inner == "" {
		return fmt.Errorf("%s is not JSON: it is empty", Quote(text))
	}
	var whole json.RawMessage
	err := json.Unmarshal([]byte(inner), &whole)
	if err == nil {
		return nil
	}
	at, problem := len(inner), "it ends before all brackets and quotation marks are closed"
	if syntax, is := errors.AsType[*json.SyntaxError](err); is && err.Error() != "unexpected end of JSON input" {
		at = min(max(int(syntax.Offset)-1, 0), len(inner))
		problem = oneLine(err.Error()) + syntaxHint(inner, at, err.Error())
	}
	before := text[:strings.Index(text, inner)+at]
	line := before[strings.LastIndexByte(before, '\n')+1:]
	return fmt.Errorf("%s is not JSON: line %d, column %d: %s",
		Quote(text), 1+strings.Count(before, "\n"), 1+utf8.RuneCountInString(line), problem)
}

// syntaxHint returns the remedy for a common mistake at an offset in text, "" if
// the mistake is not recognized.
func syntaxHint(text string, at int, cause string) string {
	before := strings.TrimRightFunc(text[:at], unicode.IsSpace)
	next, _ := utf8.DecodeRuneInString(text[at:])
	switch {
	case strings.HasSuffix(before, ",") && (next == '}' || next == ']'):
		return "; remove the comma before it"
	case next == '\'' || next == '“' || next == '”':
		return `; JSON takes straight double quotation marks (")`
	case strings.HasSuffix(cause, "in string literal"):
		return "; close the quotation marks on the same line"
	case strings.HasSuffix(cause, "after top-level value"):
		return "; remove what follows the policy"
	case next == '$':
		return "; put quotation marks around it"
	case next == '#' || next == '/':
		return "; JSON has no comments, remove it"
	case (next == '"' || next == '{') && strings.Contains(cause, " after "):
		return "; put a comma before it"
	}
	return ""
}
