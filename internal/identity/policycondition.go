package identity

import (
	"fmt"
	"slices"
	"strings"
)

// setOperators are the condition operators that can be combined with ForAllValues:,
// ForAnyValue: and IfExists. Null cannot:
// https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_condition_operators.html.
var setOperators = []string{
	"StringEquals", "StringNotEquals", "StringEqualsIgnoreCase", "StringNotEqualsIgnoreCase", "StringLike", "StringNotLike",
	"NumericEquals", "NumericNotEquals", "NumericLessThan", "NumericLessThanEquals", "NumericGreaterThan", "NumericGreaterThanEquals",
	"DateEquals", "DateNotEquals", "DateLessThan", "DateLessThanEquals", "DateGreaterThan", "DateGreaterThanEquals",
	"Bool", "BinaryEquals", "IpAddress", "NotIpAddress", "ArnEquals", "ArnNotEquals", "ArnLike", "ArnNotLike",
}

// checkCondition checks a Condition: an object of operators, each an object of keys
// with their values.
func checkCondition(elements map[string]jsonValue) error {
	condition, has := elements["Condition"]
	if !has {
		return nil
	}
	if condition.kind != jsonObject {
		return fmt.Errorf("has %s for Condition: give an object of operators", condition.kind)
	}
	operators := map[string]bool{}
	for _, operator := range condition.members {
		if err := checkOperator(operator.key); err != nil {
			return err
		}
		if operators[operator.key] {
			return fmt.Errorf("has the condition operator %s twice: put its keys into one", Quote(operator.key))
		}
		operators[operator.key] = true
		if err := checkKeys(operator); err != nil {
			return err
		}
	}
	return nil
}

// checkOperator accepts known operators in any case, as IAM does.
func checkOperator(name string) error {
	isIt := func(known string) func(string) bool {
		return func(k string) bool { return strings.EqualFold(k, known) }
	}
	base := name
	for _, set := range []string{"ForAllValues:", "ForAnyValue:"} {
		if len(base) > len(set) && strings.EqualFold(base[:len(set)], set) {
			base = base[len(set):]
			break
		}
	}
	const optional = "IfExists"
	if cut := len(base) - len(optional); cut > 0 && strings.EqualFold(base[cut:], optional) {
		base = base[:cut]
	}
	if strings.EqualFold(name, "Null") || slices.ContainsFunc(setOperators, isIt(base)) {
		return nil
	}
	remedy := "give one such as StringEquals or ArnLike"
	if nearest := Nearest(base, append(slices.Clone(setOperators), "Null")); nearest != "" {
		remedy = "write " + nearest
	}
	return fmt.Errorf("has the condition operator %s, which IAM does not know: %s", Quote(name), remedy)
}

// checkKeys checks the condition keys and values of one operator.
func checkKeys(operator jsonMember) error {
	if operator.value.kind != jsonObject {
		return fmt.Errorf("has %s for the condition operator %s: give an object of condition keys", operator.value.kind, Quote(operator.key))
	}
	keys := map[string]bool{}
	for _, key := range operator.value.members {
		if keys[key.key] {
			return fmt.Errorf("has the condition key %s twice for %s: put its values into one list", Quote(key.key), operator.key)
		}
		keys[key.key] = true
		values := key.value.items
		if key.value.kind != jsonList {
			values = []jsonValue{key.value}
		}
		for _, value := range values {
			if value.kind != jsonString && value.kind != jsonNumber && value.kind != jsonBoolean {
				return fmt.Errorf("has %s for the condition key %s: give a string, a number, true, false, or a list of these", value.kind, Quote(key.key))
			}
		}
	}
	return nil
}
