package identity

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// jsonKind is a kind of JSON value, in the words of messages.
type jsonKind string

const (
	jsonObject  jsonKind = "an object"
	jsonList    jsonKind = "a list"
	jsonString  jsonKind = "a string"
	jsonNumber  jsonKind = "a number"
	jsonBoolean jsonKind = "true or false"
	jsonNull    jsonKind = "null"
)

// jsonValue is a JSON value with all that is in it: keys that stand twice are
// there twice, and numbers are kept as they are written, because a policy may
// compare ones that a float64 cannot tell apart.
type jsonValue struct {
	kind    jsonKind
	text    string // of a string, number or boolean
	members []jsonMember
	items   []jsonValue
}

type jsonMember struct {
	key   string
	value jsonValue
}

// maxDepth is deeper than any policy is nested: that is policy, list of
// statements, statement, Condition, operator, list of values.
const maxDepth = 8

// decodeJSON reads text, of which checkSyntax found nothing to say.
func decodeJSON(text string) (jsonValue, error) {
	d := json.NewDecoder(strings.NewReader(text))
	d.UseNumber()
	return decodeValue(d, 1)
}

func decodeValue(d *json.Decoder, depth int) (jsonValue, error) {
	token, err := d.Token()
	if err != nil {
		return jsonValue{}, err
	}
	switch token := token.(type) {
	case string:
		return jsonValue{kind: jsonString, text: token}, checkUnicode(token)
	case json.Number:
		return jsonValue{kind: jsonNumber, text: token.String()}, nil
	case bool:
		return jsonValue{kind: jsonBoolean, text: fmt.Sprint(token)}, nil
	case json.Delim:
		if depth > maxDepth {
			return jsonValue{}, fmt.Errorf("the policy is nested more than %d levels deep: no policy is", maxDepth)
		}
		if token == '[' {
			return decodeList(d, depth)
		}
		return decodeObject(d, depth)
	default:
		return jsonValue{kind: jsonNull}, nil
	}
}

func decodeList(d *json.Decoder, depth int) (jsonValue, error) {
	list := jsonValue{kind: jsonList}
	for d.More() {
		item, err := decodeValue(d, depth+1)
		if err != nil {
			return list, err
		}
		list.items = append(list.items, item)
	}
	_, err := d.Token()
	return list, err
}

func decodeObject(d *json.Decoder, depth int) (jsonValue, error) {
	object := jsonValue{kind: jsonObject}
	for d.More() {
		token, err := d.Token()
		if err != nil {
			return object, err
		}
		key, _ := token.(string)
		if err = checkUnicode(key); err != nil {
			return object, err
		}
		value, err := decodeValue(d, depth+1)
		if err != nil {
			return object, err
		}
		object.members = append(object.members, jsonMember{key, value})
	}
	_, err := d.Token()
	return object, err
}

// checkUnicode refuses a string of which a part is no text: the decoder puts
// U+FFFD in its place, and two strings that differ would seem equal.
func checkUnicode(s string) error {
	if strings.ContainsRune(s, utf8.RuneError) {
		return fmt.Errorf("the policy has the string %s, a part of which is not Unicode text: leave that out", Quote(s))
	}
	return nil
}

// checkSyntax says where in text the JSON is wrong, nil if it is not. White space
// around it, of whatever kind, does no harm.
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

// syntaxHint returns the remedy of a common mistake at an offset in text.
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
	case next == '#' || next == '/':
		return "; JSON has no comments, remove it"
	case (next == '"' || next == '{') && strings.Contains(cause, " after "):
		return "; put a comma before it"
	}
	return ""
}

// oneLine keeps what a decoder says from breaking lines.
func oneLine(text string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return ' '
		}
		return r
	}, text)
}
