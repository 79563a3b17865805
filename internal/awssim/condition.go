package awssim

import (
	"net/netip"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Conditions are evaluated as described in
// https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_condition_operators.html.

// facts are the values of a request's condition keys, by lower-case key. A missing key is
// absent from the request context.
type facts map[string][]string

// operator is a parsed condition operator.
type operator struct {
	base     string
	negated  bool
	ifExists bool
	any, all bool // ForAnyValue:, ForAllValues:
	match    func(have, want string) bool
}

// parseOperator parses the name of an operator. It returns false for an unknown one.
func parseOperator(name string) (operator, bool) {
	var op operator
	op.base = name
	if rest, is := strings.CutPrefix(op.base, "ForAnyValue:"); is {
		op.base, op.any = rest, true
	} else if rest, is := strings.CutPrefix(op.base, "ForAllValues:"); is {
		op.base, op.all = rest, true
	}
	if op.base == "Null" {
		return op, !op.any && !op.all
	}
	op.base, op.ifExists = strings.CutSuffix(op.base, "IfExists")
	positive := notWithin.ReplaceAllString(op.base, "$1$2$3")
	op.negated = positive != op.base
	op.match = matchers()[positive]
	return op, op.match != nil && (!op.negated || negatable(positive))
}

// notWithin matches negated operators. Not is the second word, as in StringNotLike, except
// in NotIpAddress.
var notWithin = regexp.MustCompile(`^(?:(String|Arn|Numeric|Date)Not(.+)|Not(IpAddress))$`)

func negatable(positive string) bool {
	return slices.Contains([]string{
		"StringEquals", "StringEqualsIgnoreCase", "StringLike", "ArnEquals", "ArnLike", "NumericEquals", "DateEquals", "IpAddress",
	}, positive)
}

func matchers() map[string]func(have, want string) bool {
	return map[string]func(have, want string) bool{
		"StringEquals":             func(h, w string) bool { return h == w },
		"StringEqualsIgnoreCase":   strings.EqualFold,
		"StringLike":               func(h, w string) bool { return glob(w, h) },
		"ArnEquals":                globARN,
		"ArnLike":                  globARN,
		"Bool":                     strings.EqualFold,
		"BinaryEquals":             func(h, w string) bool { return h == w },
		"NumericEquals":            numeric(func(c int) bool { return c == 0 }),
		"NumericLessThan":          numeric(func(c int) bool { return c < 0 }),
		"NumericLessThanEquals":    numeric(func(c int) bool { return c <= 0 }),
		"NumericGreaterThan":       numeric(func(c int) bool { return c > 0 }),
		"NumericGreaterThanEquals": numeric(func(c int) bool { return c >= 0 }),
		"DateEquals":               date(func(c int) bool { return c == 0 }),
		"DateLessThan":             date(func(c int) bool { return c < 0 }),
		"DateLessThanEquals":       date(func(c int) bool { return c <= 0 }),
		"DateGreaterThan":          date(func(c int) bool { return c > 0 }),
		"DateGreaterThanEquals":    date(func(c int) bool { return c >= 0 }),
		"IpAddress":                inNetwork,
	}
}

func numeric(holds func(int) bool) func(have, want string) bool {
	return func(have, want string) bool {
		h, err1 := strconv.ParseFloat(have, 64)
		w, err2 := strconv.ParseFloat(want, 64)
		if err1 != nil || err2 != nil {
			return false
		}
		switch {
		case h < w:
			return holds(-1)
		case h > w:
			return holds(1)
		default:
			return holds(0)
		}
	}
}

func date(holds func(int) bool) func(have, want string) bool {
	return func(have, want string) bool {
		h, err1 := time.Parse(time.RFC3339, have)
		w, err2 := time.Parse(time.RFC3339, want)
		return err1 == nil && err2 == nil && holds(h.Compare(w))
	}
}

func inNetwork(have, want string) bool {
	address, err := netip.ParseAddr(have)
	if err != nil {
		return false
	}
	network, err := netip.ParsePrefix(want)
	if err == nil {
		return network.Contains(address)
	}
	single, err := netip.ParseAddr(want)
	return err == nil && single == address
}

// holds reports whether all conditions of a statement hold. Operators and keys are combined
// by AND, the values of a key by OR.
func (st *statement) holds(known facts) bool {
	for name, keys := range st.Condition {
		op, ok := parseOperator(name)
		if !ok {
			return false
		}
		for key, want := range keys {
			if !op.holds(known[strings.ToLower(key)], st.substitute(want, known)) {
				return false
			}
		}
	}
	return true
}

// holds compares the values in the request context with those in the policy.
func (op operator) holds(have []string, want []string) bool {
	absent := len(have) == 0
	if op.base == "Null" {
		return slices.ContainsFunc(want, func(w string) bool { return strings.EqualFold(w, strconv.FormatBool(absent)) })
	}
	if absent {
		// Negated operators and ForAllValues hold for a missing key.
		return op.ifExists || op.all || (op.negated && !op.any)
	}
	one := func(h string) bool {
		return slices.ContainsFunc(want, func(w string) bool { return op.match(h, w) }) != op.negated
	}
	if op.all {
		return !slices.ContainsFunc(have, func(h string) bool { return !one(h) })
	}
	return slices.ContainsFunc(have, one)
}

// variable matches a policy variable with an optional default.
var variable = regexp.MustCompile(`\$\{([^},]*)(?:, *'([^'}]*)')?\}`)

// substitute replaces policy variables such as ${aws:PrincipalTag/team}. Substituted values
// are not expanded again. A value with an unknown variable without a default is dropped, so
// that it matches nothing:
// https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_variables.html.
func (st *statement) substitute(values []string, known facts) []string {
	if st.literal {
		return values
	}
	out := make([]string, 0, len(values))
	for _, v := range values {
		complete := true
		v = variable.ReplaceAllStringFunc(v, func(text string) string {
			m := variable.FindStringSubmatch(text)
			if value := known[strings.ToLower(m[1])]; len(value) == 1 {
				return value[0]
			}
			complete = complete && strings.Contains(text, "'")
			return m[2]
		})
		if complete {
			out = append(out, v)
		}
	}
	return out
}
