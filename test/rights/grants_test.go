package rights

import rbacv1 "k8s.io/api/rbac/v1"

// A grant is a Role or ClusterRole that is bound to the controller's ServiceAccount.
type grant struct {
	kind, name string
	// namespace is where it holds, "" for everywhere.
	namespace string
	rules     []rbacv1.PolicyRule
}

// A right is the least that a grant can be without.
type right struct {
	grant *grant
	// name is "" for objects of all names.
	verb, group, resource, name string
}

// String says what it is a right to.
func (r right) String() string {
	s := r.refusal().String()
	if r.name != "" {
		s += " " + r.name
	}
	return s
}

func (r right) refusal() refusal { return refusal{r.verb, r.group, r.resource} }

// rights are all that a grant grants, one by one.
func (g *grant) rights() (all []right) {
	for _, rule := range g.rules {
		names := rule.ResourceNames
		if len(names) == 0 {
			names = []string{""}
		}
		for _, group := range rule.APIGroups {
			for _, resource := range rule.Resources {
				for _, name := range names {
					for _, verb := range rule.Verbs {
						all = append(all, right{g, verb, group, resource, name})
					}
				}
			}
		}
	}
	return all
}

// rule is what grants a right and nothing else.
func (r right) rule() rbacv1.PolicyRule {
	rule := rbacv1.PolicyRule{APIGroups: []string{r.group}, Resources: []string{r.resource}, Verbs: []string{r.verb}}
	if r.name != "" {
		rule.ResourceNames = []string{r.name}
	}
	return rule
}
