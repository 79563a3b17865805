package awssim

import (
	"bytes"
	"encoding/json"
	"fmt"
)

// members calls take for each member of a JSON object. Names are case-sensitive and must
// be unique.
func members(text json.RawMessage, take func(name string, value json.RawMessage) error) error {
	d := json.NewDecoder(bytes.NewReader(text))
	if opening, err := d.Token(); err != nil || opening != json.Delim('{') {
		return errSyntax
	}
	seen := map[string]bool{}
	for d.More() {
		token, err := d.Token()
		name, is := token.(string)
		if err != nil || !is || seen[name] {
			return errSyntax
		}
		seen[name] = true
		var value json.RawMessage
		if err := d.Decode(&value); err != nil {
			return errSyntax
		}
		if err := take(name, value); err != nil {
			return err
		}
	}
	return nil
}

// oneString parses a string. null is an error.
func oneString(text json.RawMessage) (string, error) {
	var s *string
	if err := json.Unmarshal(text, &s); err != nil || s == nil {
		return "", errSyntax
	}
	return *s, nil
}

// manyStrings parses a string or a list of strings.
func manyStrings(text json.RawMessage) (oneOrMany, error) {
	return many(text, func(v any) bool { _, is := v.(string); return is })
}

// manyValues parses a string, a boolean or a number, or a list of those. Numbers keep their
// notation.
func manyValues(text json.RawMessage) (oneOrMany, error) {
	return many(text, func(v any) bool {
		switch v.(type) {
		case string, bool, json.Number:
			return true
		}
		return false
	})
}

func many(text json.RawMessage, mayBe func(any) bool) (oneOrMany, error) {
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber()
	var value any
	if err := d.Decode(&value); err != nil {
		return nil, errSyntax
	}
	list, is := value.([]any)
	if !is {
		list = []any{value}
	}
	all := oneOrMany{}
	for _, v := range list {
		if !mayBe(v) {
			return nil, errSyntax
		}
		all = append(all, fmt.Sprint(v))
	}
	return all, nil
}
