package awssim

import "encoding/json"

func parsePrincipals(value json.RawMessage) (*principals, error) {
	if wildcard, err := oneString(value); err == nil {
		if wildcard != "*" {
			return nil, errSyntax
		}
		return &principals{byKind: map[string]oneOrMany{"AWS": {"*"}}}, nil
	}
	p := &principals{byKind: map[string]oneOrMany{}}
	err := members(value, func(kind string, value json.RawMessage) (err error) {
		if p.byKind[kind], err = manyStrings(value); len(p.byKind[kind]) == 0 {
			return errSyntax
		}
		return err
	})
	if len(p.byKind) == 0 {
		return nil, errSyntax
	}
	return p, err
}

func parseCondition(value json.RawMessage) (map[string]map[string]oneOrMany, error) {
	operators := map[string]map[string]oneOrMany{}
	err := members(value, func(operator string, value json.RawMessage) error {
		keys := map[string]oneOrMany{}
		operators[operator] = keys
		return members(value, func(key string, value json.RawMessage) (err error) {
			keys[key], err = manyValues(value)
			return err
		})
	})
	return operators, err
}
