package identity

import (
	"slices"
	"strings"
)

const (
	passRole        = "iam:passrole"
	passedToService = "iam:passedtoservice"
)

// passesAnyRole returns the pattern of resources with which a grant passes any role to any
// service, "" if it does not.
func (g grant) passesAnyRole() string {
	passes := slices.ContainsFunc(g.actions, func(action string) bool { return covers(strings.ToLower(action), passRole) })
	if !passes || g.boundary.takesAway(passRole) || g.limitsServices() {
		return ""
	}
	return g.anyOf("iam", "role/"+unheardOf)
}

// limitsServices reports whether the conditions of a grant demand one of some services to
// pass a role to. Those that are also met by a request without the key, which not every
// service sets, do not.
func (g grant) limitsServices() bool {
	present := slices.ContainsFunc(g.conditions, func(c condition) bool {
		return c.key == passedToService && c.operator == "null" && slices.Equal(c.values, []string{"false"})
	})
	return slices.ContainsFunc(g.conditions, func(c condition) bool { return c.key == passedToService && c.namesServices(present) })
}

// namesServices reports whether a condition is met only by services that it names, in a
// request of which it is known whether it has the key.
func (c condition) namesServices(present bool) bool {
	set, operator, is := strings.Cut(c.operator, ":")
	if !is {
		set, operator = "", c.operator
	}
	operator, optional := strings.CutSuffix(operator, "ifexists")
	if (optional || set == "forallvalues") && !present {
		return false
	}
	switch operator {
	case "stringequals", "stringequalsignorecase":
		return true
	case "stringlike":
		return !slices.ContainsFunc(c.values, isAnyService)
	}
	return false
}

// isAnyService reports whether a pattern matches the name of any service.
func isAnyService(pattern string) bool {
	return covers(pattern, unheardOf+".amazonaws.com") || covers(pattern, unheardOf+".amazonaws.com.cn")
}

// isForPassRoleAlone reports whether a grant of all actions of IAM has a condition that
// only iam:PassRole can meet: other requests do not have the key.
func (g grant) isForPassRoleAlone(service string) bool {
	return service == "iam" && len(g.conditions) > 0 &&
		!slices.ContainsFunc(g.conditions, func(c condition) bool { return c.key != passedToService })
}
