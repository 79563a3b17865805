package identity

import (
	"fmt"
	"slices"
	"strings"
)

// PolicyHints returns what an identity policy allows that its author may not have meant,
// one sentence for each statement that does, with what to write in place of it. The policy
// is one that ParsePolicy returned, and takes effect as it is: these are no errors. What
// the boundary takes away is not hinted at.
func PolicyHints(policy string, boundary *Boundary) (hints []string) {
	for i, elements := range statementElementsOf(policy) {
		if hint := grantOf(elements).within(boundary).hint(); hint != "" {
			hints = append(hints, fmt.Sprintf("statement %d %s", i+1, hint))
		}
	}
	return hints
}

// statementElementsOf returns the elements of each statement of a policy, nil for one that
// is none, which is refused elsewhere.
func statementElementsOf(policy string) (all []map[string]jsonValue) {
	parsed, err := readPolicy(policy, IdentityPolicy)
	if err != nil {
		return nil
	}
	elements, _ := parsed.elements("policy", policyElements)
	statements, _ := statementsOf(elements["Statement"])
	for _, v := range statements {
		elements, _ = v.elements("statement", statementElements)
		all = append(all, elements)
	}
	return all
}

// grant is what an Allow statement grants.
type grant struct {
	boundary                  *Boundary
	actions, otherActions     []string // Action, NotAction
	resources, otherResources []string
	conditions                []condition
}

// condition is what one operator demands of one key. Both are in lower case.
type condition struct {
	operator, key string
	values        []string
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
			g.conditions = append(g.conditions, condition{strings.ToLower(operator.key), strings.ToLower(key.key), key.value.strings()})
		}
	}
	return g
}

// within returns what a boundary may leave of a grant.
func (g grant) within(boundary *Boundary) grant {
	g.boundary = boundary
	g.actions = slices.DeleteFunc(g.actions, boundary.takesAway)
	return g
}

// strings returns the texts of a single value or of a list of them.
func (v jsonValue) strings() (all []string) {
	if v.kind != jsonList && v.kind != "" {
		return []string{v.text}
	}
	for _, item := range v.items {
		all = append(all, item.text)
	}
	return all
}

// hint returns what is wide about a grant, the widest first, and "" for nothing.
func (g grant) hint() string {
	if len(g.otherActions) > 0 {
		return fmt.Sprintf("allows everything but what NotAction names (%s), on %s, also what AWS adds later: name what is needed in Action",
			Quote(strings.Join(g.otherActions, ", ")), g.onWhat())
	}
	if on := g.anyOf(unheardOf, anyName); on != "" && slices.ContainsFunc(g.actions, isEverything) {
		return fmt.Sprintf("allows all actions on %s: name what is needed in Action and Resource", on)
	}
	if on := g.passesAnyRole(); on != "" {
		return fmt.Sprintf("allows iam:PassRole on %s: whoever has it can have a service act as a role with more permissions; "+
			"name the roles in Resource, or the service in a condition on iam:PassedToService", on)
	}
	return g.serviceHint()
}

// serviceHint returns a hint about all actions of a service, on all of its resources.
func (g grant) serviceHint() string {
	for _, pattern := range g.actions {
		service, _, _ := strings.Cut(strings.ToLower(pattern), ":")
		on := g.anyOf(service, anyName)
		switch {
		case on == "" || !isWholeService(pattern):
		case g.isForPassRoleAlone(service):
			return fmt.Sprintf("names %s on %s under a condition on iam:PassedToService, which requests other than iam:PassRole do not have: "+
				"name the actions that are needed", Quote(pattern), on)
		case len(g.conditions) == 0:
			return fmt.Sprintf("allows %s on %s: name the actions or the resources that are needed", Quote(pattern), on)
		}
	}
	return ""
}

// anyName is the name of a resource that nothing but wildcards matches, such as that of
// an object in a bucket.
const anyName = unheardOf + "/" + unheardOf

// anyOf returns on which resources a grant is, worded for a hint, if these are any of a
// service whose last part is named so, and "" if they are not.
func (g grant) anyOf(service, name string) string {
	found := slices.IndexFunc(g.resources, func(r string) bool { return isEverything(r) || isAnyOf(r, service, name) })
	if found < 0 && len(g.otherResources) == 0 {
		return ""
	}
	if found >= 0 && !slices.ContainsFunc(g.resources, isEverything) {
		return Quote(g.resources[found])
	}
	return g.onWhat()
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
