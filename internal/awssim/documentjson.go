package awssim

import (
	"bytes"
	"encoding/json"
	"fmt"
)

// members hands the members of a JSON object to take, one after the other. Their
// names count to the letter, and none may stand twice.
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

// oneString reads a string, which null is not.
func oneString(text json.RawMessage) (string, error) {
	var s *string
	if err := json.Unmarshal(text, &s); err != nil || s == nil {
		return "", errSyntax
	}
	return *s, nil
}

// manyStrings reads a string or a list of them.
func manyStrings(text json.RawMessage) (oneOrMany, error) {
	return many(text, func(v any) bool { _, is := v.(string); return is })
}

// manyValues reads a string, a boolean or a number, or a list of them. Numbers
// stay as they are written.
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
