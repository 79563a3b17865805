package identity

import (
	"encoding/json"
	"fmt"
	"strings"
	"unicode/utf8"
)

// jsonKind is the kind of a JSON value, worded for messages.
type jsonKind string

const (
	jsonObject  jsonKind = "an object"
	jsonList    jsonKind = "a list"
	jsonString  jsonKind = "a string"
	jsonNumber  jsonKind = "a number"
	jsonBoolean jsonKind = "true or false"
	jsonNull    jsonKind = "null"
)

// jsonValue is a JSON value without loss of information: duplicate keys are kept so
// that they can be rejected, and numbers keep their spelling, because a policy may
// contain ones that float64 cannot distinguish.
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

// maxDepth exceeds the nesting of any valid policy: policy, list of statements,
// statement, Condition, operator, list of values.
const maxDepth = 8

// decodeJSON decodes text that checkSyntax has accepted.
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

// checkUnicode rejects strings that are not valid Unicode. The decoder replaces
// invalid parts by U+FFFD, so that two different strings would compare as equal.
func checkUnicode(s string) error {
	if strings.ContainsRune(s, utf8.RuneError) {
		return fmt.Errorf("the policy has the string %s, a part of which is not Unicode text: leave that out", Quote(s))
	}
	return nil
}
