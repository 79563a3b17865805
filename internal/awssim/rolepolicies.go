package awssim

import (
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
)

// putRolePolicy implements https://docs.aws.amazon.com/IAM/latest/APIReference/API_PutRolePolicy.html.
func putRolePolicy(q *request) (any, *apiError) {
	name, err1 := q.form.required("PolicyName", policyNameRule)
	text, err2 := q.form.required("PolicyDocument", documentRule)
	if failure := first(err1, err2); failure != nil {
		return nil, failure
	}
	r, failure := q.target(true, nil)
	if failure != nil {
		return nil, failure
	}
	d, failure := parseIdentityPolicy(text)
	if failure != nil {
		return nil, failure
	}
	total := size(text)
	for other, have := range r.inline {
		if other != name {
			total += size(have.text)
		}
	}
	if total > maxInlinePolicies {
		return nil, limitExceeded(fmt.Sprintf("Maximum policy size of %d bytes exceeded for role %s", maxInlinePolicies, r.name))
	}
	q.change(r, func(r *role) { r.inline[name] = d })
	return nil, nil
}

// size returns the size of a policy that counts toward the quota, which excludes white space.
func size(text string) int { return len(strings.Join(strings.Fields(text), "")) }

// parseIdentityPolicy parses an identity policy, which has resources and no principals.
func parseIdentityPolicy(text string) (*document, *apiError) {
	d, err := parseDocument(text)
	if err != nil {
		return nil, malformed(err.Error())
	}
	for i := range d.statements {
		st := &d.statements[i]
		switch {
		case st.Principal != nil || st.NotPrincipal != nil:
			return nil, malformed("Policy document should not specify a principal.")
		case len(st.Resource)+len(st.NotResource) == 0:
			return nil, malformed("Policy statement must contain resources.")
		}
		for _, resource := range append(append(oneOrMany{}, st.Resource...), st.NotResource...) {
			if resource != "*" && !strings.Contains(resource, ":") {
				return nil, malformed(fmt.Sprintf(`Resource %s must be in ARN format or "*".`, resource))
			}
		}
	}
	return d, nil
}

func noSuchPolicy(name string) *apiError {
	return newError(http.StatusNotFound, "NoSuchEntity", fmt.Sprintf("The role policy with name %s cannot be found.", name))
}

func getRolePolicy(q *request) (any, *apiError) {
	name, failure := q.form.required("PolicyName", policyNameRule)
	if failure != nil {
		return nil, failure
	}
	r, failure := q.target(false, nil)
	if failure != nil {
		return nil, failure
	}
	d := r.inline[name]
	if d == nil {
		return nil, noSuchPolicy(name)
	}
	return struct{ RoleName, PolicyName, PolicyDocument string }{r.name, name, encodeDocument(d.text)}, nil
}

func listRolePolicies(q *request) (any, *apiError) {
	r, failure := q.target(false, nil)
	if failure != nil {
		return nil, failure
	}
	part, marker, failure := page(q, slices.Sorted(maps.Keys(r.inline)))
	return struct {
		PolicyNames []string `xml:"PolicyNames>member"`
		IsTruncated bool
		Marker      string `xml:",omitempty"`
	}{part, marker != "", marker}, failure
}

func deleteRolePolicy(q *request) (any, *apiError) {
	name, failure := q.form.required("PolicyName", policyNameRule)
	if failure != nil {
		return nil, failure
	}
	r, failure := q.target(true, nil)
	if failure != nil {
		return nil, failure
	}
	if r.inline[name] == nil {
		return nil, noSuchPolicy(name)
	}
	q.change(r, func(r *role) { delete(r.inline, name) })
	return nil, nil
}

// policyTarget returns the role and the ARN of the managed policy in a request.
func (q *request) policyTarget() (arn string, r *role, failure *apiError) {
	arn, failure = q.form.required("PolicyArn", arnRule)
	if failure != nil {
		return arn, nil, failure
	}
	r, failure = q.target(true, facts{"iam:policyarn": {arn}})
	return arn, r, failure
}

func attachRolePolicy(q *request) (any, *apiError) {
	arn, r, failure := q.policyTarget()
	if failure == nil {
		failure = q.checkPolicy(arn)
	}
	switch {
	case failure != nil:
		return nil, failure
	case slices.Contains(r.attached, arn):
		return nil, nil
	case len(r.attached) >= q.maxAttached:
		return nil, limitExceeded(fmt.Sprintf("Cannot exceed quota for PoliciesPerRole: %d", q.maxAttached))
	}
	q.change(r, func(r *role) { r.attached = append(r.attached, arn) })
	return nil, nil
}

func detachRolePolicy(q *request) (any, *apiError) {
	arn, r, failure := q.policyTarget()
	if failure != nil {
		return nil, failure
	}
	if !slices.Contains(r.attached, arn) {
		return nil, newError(http.StatusNotFound, "NoSuchEntity", "Policy "+arn+" was not found.")
	}
	q.change(r, func(r *role) {
		r.attached = slices.DeleteFunc(r.attached, func(a string) bool { return a == arn })
	})
	return nil, nil
}

func listAttachedRolePolicies(q *request) (any, *apiError) {
	prefix, failure := q.form.optional("PathPrefix", "/", pathPrefixRule)
	if failure != nil {
		return nil, failure
	}
	r, failure := q.target(false, nil)
	if failure != nil {
		return nil, failure
	}
	type attached struct{ PolicyName, PolicyArn string }
	var all []attached
	for _, arn := range r.attached {
		_, path, _ := strings.Cut(arn, ":policy")
		if strings.HasPrefix(path, prefix) {
			all = append(all, attached{PolicyName: path[strings.LastIndexByte(path, '/')+1:], PolicyArn: arn})
		}
	}
	part, marker, failure := page(q, all)
	return struct {
		AttachedPolicies []attached `xml:"AttachedPolicies>member"`
		IsTruncated      bool
		Marker           string `xml:",omitempty"`
	}{part, marker != "", marker}, failure
}
