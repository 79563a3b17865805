package awssim

import (
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
)

func iamActions() map[string]handler {
	return map[string]handler{
		"CreateRole":                    createRole,
		"GetRole":                       getRole,
		"ListRoles":                     listRoles,
		"UpdateRole":                    updateRole,
		"UpdateAssumeRolePolicy":        updateTrust,
		"DeleteRole":                    deleteRole,
		"PutRolePolicy":                 putRolePolicy,
		"GetRolePolicy":                 getRolePolicy,
		"ListRolePolicies":              listRolePolicies,
		"DeleteRolePolicy":              deleteRolePolicy,
		"AttachRolePolicy":              attachRolePolicy,
		"DetachRolePolicy":              detachRolePolicy,
		"ListAttachedRolePolicies":      listAttachedRolePolicies,
		"TagRole":                       tagRole,
		"UntagRole":                     untagRole,
		"ListRoleTags":                  listRoleTags,
		"PutRolePermissionsBoundary":    putBoundary,
		"DeleteRolePermissionsBoundary": deleteBoundary,
		"ListInstanceProfilesForRole":   listInstanceProfiles,
		"RemoveRoleFromInstanceProfile": removeFromInstanceProfile,
	}
}

// visible is what reads and STS see of a role: what was written is seen once
// it has propagated.
func (q *request) visible(h *history) *role { return h.at(q.now.Add(-q.faults.propagation())) }

// own is the caller's account, in which all IAM actions happen.
func (q *request) own() *account { return q.account(q.caller.account) }

// target finds the role that an action names and asks whether the caller may.
// Reads see what has propagated, writes what is there. A role that is not
// there is said to be missing before anybody is asked.
func (q *request) target(write bool, more facts) (*role, *apiError) {
	name, failure := q.form.required("RoleName", roleNameRule)
	if failure != nil {
		return nil, failure
	}
	h := q.own().roles[strings.ToLower(name)]
	r := q.visible(h)
	if write {
		r = h.latest()
	}
	if r == nil {
		return nil, noSuchRole(name)
	}
	known := q.facts()
	// Conditions on tags and boundary are evaluated on what has propagated.
	if seen := q.visible(h); seen != nil {
		known.resource(seen)
		if seen.boundary != "" {
			known["iam:permissionsboundary"] = []string{seen.boundary}
		}
	}
	maps.Copy(known, more)
	if failure := q.authorizeAs("role "+r.name, "iam:"+q.action, r.arn, known); failure != nil {
		return nil, failure
	}
	if write && r.linked {
		return nil, newError(http.StatusBadRequest, "UnmodifiableEntity",
			"Cannot perform the operation on the protected role '"+r.name+"' - this role is only modifiable by AWS")
	}
	return r, nil
}

// authorize asks the caller's own policies.
func (q *request) authorize(action, resource string, known facts) *apiError {
	return q.authorizeAs(resource, action, resource, known)
}

// authorizeAs is authorize of a resource that a refusal calls by another name.
func (q *request) authorizeAs(called, action, resource string, known facts) *apiError {
	switch q.grants(q.caller, action, resource, known, q.visible) {
	case allowed:
		return nil
	case denied:
		return accessDenied(q.caller, action, called+" with an explicit deny in an identity-based policy")
	default:
		return accessDenied(q.caller, action, called+" because no identity-based policy allows the "+action+" action")
	}
}

// change replaces a role by what change makes of a copy.
func (q *request) change(r *role, change func(*role)) {
	next := r.clone()
	change(next)
	q.put(next.name, next)
}

func (q *request) put(name string, r *role) {
	key := strings.ToLower(name)
	h := q.own().roles[key]
	if h == nil {
		h = &history{}
		q.own().roles[key] = h
	}
	h.set(q.now, q.now.Add(-q.faults.propagation()), r)
}

// page cuts a list at the size asked for or allowed, and says where to go on.
func page[T any](q *request, all []T) (part []T, marker string, failure *apiError) {
	size, failure := q.form.number("MaxItems", 100, 1, 1000)
	if failure != nil {
		return nil, "", failure
	}
	size = min(size, q.pageSize)
	start := 0
	if text, failure := q.form.optional("Marker", "", markerRule); failure != nil {
		return nil, "", failure
	} else if text != "" {
		n, err := strconv.Atoi(text)
		if err != nil || n < 0 {
			return nil, "", newError(http.StatusBadRequest, "InvalidInput", "Invalid Marker")
		}
		start = min(n, len(all))
	}
	end := min(start+size, len(all))
	if end < len(all) {
		marker = strconv.Itoa(end)
	}
	return all[start:end], marker, nil
}

// sortedRoles returns the roles that can be seen, by name.
func (q *request) sortedRoles() []*role {
	var all []*role
	for _, h := range q.own().roles {
		if r := q.visible(h); r != nil {
			all = append(all, r)
		}
	}
	slices.SortFunc(all, func(a, b *role) int { return strings.Compare(a.name, b.name) })
	return all
}

func timestamp(t time.Time) string { return t.UTC().Format(time.RFC3339) }

func itoa(n int) string { return strconv.Itoa(n) }
