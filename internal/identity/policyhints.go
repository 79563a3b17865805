package identity

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// PolicyHints returns what an identity policy allows that its author may not have meant,
// one sentence for each statement that does, with what to write in place of it. The policy
// is one that ParsePolicy returned, and takes effect as it is: these are no errors.
func PolicyHints(policy string) (hints []string) {
	parsed, err := readPolicy(policy, IdentityPolicy)
	if err != nil {
		return nil // it is refused elsewhere
	}
	elements, _ := parsed.elements("policy", policyElements)
	statements, _ := statementsOf(elements["Statement"])
	for i, v := range statements {
		elements, _ = v.elements("statement", statementElements)
		if hint := grantOf(elements).hint(); hint != "" {
			hints = append(hints, fmt.Sprintf("statement %d %s", i+1, hint))
		}
	}
	return hints
}

// grant is what an Allow statement grants.
type grant struct {
	actions, otherActions     []string // Action, NotAction
	resources, otherResources []string
	conditionKeys             []string // in lower case
}

// grantOf returns what a statement grants, which is nothing for a Deny.
func grantOf(elements map[string]jsonValue) (g grant) {
	if elements["Effect"].text != "Allow" {
		return g
	}
	g.actions, g.otherActions = elements["Action"].strings(), elements["NotAction"].strings()
	g.resources, g.otherResources = elements["Resource"].strings(), elements["NotResource"].strings()
	for _, operator := range elements["Condition"].members {
		for _, key := range operator.value.members {
			g.conditionKeys = append(g.conditionKeys, strings.ToLower(key.key))
		}
	}
	return g
}

// strings returns the strings of a string or of a list of them.
func (v jsonValue) strings() (all []string) {
	if v.kind == jsonString {
		return []string{v.text}
	}
	for _, item := range v.items {
		all = append(all, item.text)
	}
	return all
}

// hint returns what is wide about a grant, the widest first, and "" for nothing.
func (g grant) hint() string {
	whole := slices.IndexFunc(g.actions, isWholeService)
	switch {
	case len(g.otherActions) > 0:
		return fmt.Sprintf("allows everything but what NotAction names (%s), on %s, also what AWS adds later: name what is needed in Action",
			Quote(strings.Join(g.otherActions, ", ")), g.onWhat())
	case g.anyResource() && slices.ContainsFunc(g.actions, isEverything):
		return fmt.Sprintf("allows all actions on %s: name what is needed in Action and Resource", g.onWhat())
	case g.anyResource() && g.passesRoles() && !slices.Contains(g.conditionKeys, "iam:passedtoservice"):
		return fmt.Sprintf("allows iam:PassRole on %s: whoever has it can have a service act as a role with more permissions; "+
			"name the roles in Resource, or the service in a condition on iam:PassedToService", g.onWhat())
	case g.anyResource() && whole >= 0 && len(g.conditionKeys) == 0:
		return fmt.Sprintf("allows %s on %s: name the actions or the resources that are needed", Quote(g.actions[whole]), g.onWhat())
	}
	return ""
}

// anyResource reports whether a grant is on any resource, or on all but some.
func (g grant) anyResource() bool {
	return len(g.otherResources) > 0 || slices.ContainsFunc(g.resources, isEverything)
}

func (g grant) onWhat() string {
	switch {
	case len(g.otherResources) > 0:
		return "all resources but those in NotResource"
	case slices.ContainsFunc(g.resources, isEverything):
		return "all resources"
	}
	return "the resources that it names"
}

func (g grant) passesRoles() bool {
	return slices.ContainsFunc(g.actions, func(action string) bool { return matches(action, "iam:PassRole") })
}

// isEverything reports whether a pattern of actions or resources matches any.
func isEverything(pattern string) bool { return strings.Trim(pattern, "*:") == "" }

// isWholeService reports whether a pattern matches all actions of a service.
func isWholeService(pattern string) bool {
	_, actions, _ := strings.Cut(pattern, ":")
	return actions != "" && isEverything(actions)
}

// matches reports whether a pattern of actions, in which * is any text and ? any
// character, matches an action. Case does not matter.
func matches(pattern, action string) bool {
	expression := strings.NewReplacer(`\*`, ".*", `\?`, ".").Replace(regexp.QuoteMeta(pattern))
	matched, err := regexp.MatchString("(?is)^"+expression+"$", action)
	return err == nil && matched
}
