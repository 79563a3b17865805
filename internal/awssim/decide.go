package awssim

import "strings"

// verdict is the result of policy evaluation, https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_evaluation-logic.html.
type verdict int

const (
	implicitDeny verdict = iota
	allowed
	explicitDeny
)

// evaluate evaluates identity policies, or a boundary, for an action.
func evaluate(documents []*document, action, resource string, known facts) verdict {
	answer := implicitDeny
	for _, d := range documents {
		for i := range d.statements {
			st := &d.statements[i]
			if !st.names(action) || !st.covers(resource, known) || !st.holds(known) {
				continue
			}
			if st.Effect == "Deny" {
				return explicitDeny
			}
			answer = allowed
		}
	}
	return answer
}

// names reports whether a statement applies to an action. Actions are case-insensitive.
func (st *statement) names(action string) bool {
	matches := func(patterns []string) bool {
		for _, p := range patterns {
			if glob(strings.ToLower(p), strings.ToLower(action)) {
				return true
			}
		}
		return false
	}
	if len(st.NotAction) > 0 {
		return !matches(st.NotAction)
	}
	return matches(st.Action)
}

// covers reports whether a statement of an identity policy applies to a resource.
func (st *statement) covers(resource string, known facts) bool {
	matches := func(patterns []string) bool {
		for _, p := range st.substitute(patterns, known) {
			if glob(p, resource) {
				return true
			}
		}
		return false
	}
	if len(st.NotResource) > 0 {
		return !matches(st.NotResource)
	}
	return matches(st.Resource)
}

// grants evaluates the identity policies, the boundary and the session policy of a caller.
func (s *Sim) grants(caller *principal, action, resource string, known facts, visible func(*history) *role) verdict {
	return both(s.entityGrants(caller, action, resource, known, visible), caller.limit(action, resource, known))
}

// entityGrants evaluates the identity policies and the boundary of the caller's role or
// user.
func (s *Sim) entityGrants(caller *principal, action, resource string, known facts, visible func(*history) *role) verdict {
	account := s.account(caller.account)
	if caller.roleName == "" {
		u := account.users[caller.userName]
		if u == nil || u.admin {
			return allowed
		}
		return evaluate(u.policies, action, resource, known)
	}
	r := visible(account.roles[strings.ToLower(caller.roleName)])
	if r == nil || r.id != caller.id {
		return implicitDeny // the role of this session was deleted
	}
	if r.admin {
		return allowed
	}
	documents := make([]*document, 0, len(r.inline)+len(r.attached))
	for _, d := range r.inline {
		documents = append(documents, d)
	}
	for _, arn := range r.attached {
		if d := s.managed(account, arn); d != nil {
			documents = append(documents, d)
		}
	}
	answer := evaluate(documents, action, resource, known)
	if answer == allowed {
		return s.bounded(account, r, action, resource, known)
	}
	return answer
}

// bounded evaluates the role's boundary for an action that its policies allow.
func (s *Sim) bounded(account *account, r *role, action, resource string, known facts) verdict {
	if r.boundary == "" {
		return allowed
	}
	boundary := s.managed(account, r.boundary)
	if boundary == nil {
		return implicitDeny
	}
	return evaluate([]*document{boundary}, action, resource, known)
}

// managed returns a customer managed or AWS managed policy.
func (s *Sim) managed(account *account, arn string) *document {
	if d := account.policies[arn]; d != nil {
		return d
	}
	return s.account("aws").policies[arn]
}

// facts returns the condition keys that every request has.
func (q *request) facts() facts {
	c := q.caller
	known := facts{
		"aws:principalarn":     {c.entity},
		"aws:principalaccount": {c.account},
		"aws:userid":           {c.userID()},
		"aws:currenttime":      {q.now.UTC().Format("2006-01-02T15:04:05Z")},
		"aws:sourceip":         {"127.0.0.1"},
		"aws:securetransport":  {"true"},
	}
	if c.userName != "" {
		known["aws:username"] = []string{c.userName}
	}
	if c.source != "" {
		known["aws:sourceidentity"] = []string{c.source}
	}
	for _, t := range q.principalTags() {
		known["aws:principaltag/"+foldKey(t.Key)] = []string{t.Value}
	}
	return known
}

// principalTags returns the tags of the caller. Session tags follow, and so override, those
// of the role.
func (q *request) principalTags() []tag {
	var tags []tag
	if r := q.visible(q.account(q.caller.account).roles[strings.ToLower(q.caller.roleName)]); r != nil {
		tags = append(tags, r.tags...)
	}
	return append(tags, q.caller.tags...)
}

// requestTags adds the condition keys for the tags in a request.
func (f facts) requestTags(tags []tag) {
	for _, t := range tags {
		f["aws:requesttag/"+foldKey(t.Key)] = []string{t.Value}
		f["aws:tagkeys"] = append(f["aws:tagkeys"], t.Key)
	}
}

// resource adds the condition keys for the role that an action is for.
func (f facts) resource(r *role) {
	for _, t := range r.tags {
		f["aws:resourcetag/"+foldKey(t.Key)] = []string{t.Value}
		f["iam:resourcetag/"+foldKey(t.Key)] = []string{t.Value}
	}
}
