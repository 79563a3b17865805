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
		"GetPolicy":                     getPolicy,
		"GetPolicyVersion":              getPolicyVersion,
	}
}

// visible returns the version of a role that reads and STS see, which is the last one that
// has propagated.
func (q *request) visible(h *history) *role { return h.at(q.now.Add(-q.faults.propagation())) }

// callerAccount returns the caller's account, which all IAM actions apply to.
func (q *request) callerAccount() *account { return q.account(q.caller.account) }

// target returns the role of a request and authorizes the action on it. Reads get the
// propagated version, writes the latest one. As in IAM, NoSuchEntity precedes AccessDenied.
func (q *request) target(write bool, more facts) (*role, *apiError) {
	name, failure := q.form.required("RoleName", roleNameRule)
	if failure != nil {
		return nil, failure
	}
	h := q.callerAccount().roles[strings.ToLower(name)]
	r := q.visible(h)
	if write {
		r = h.latest()
	}
	if r == nil {
		return nil, noSuchRole(name)
	}
	known := q.facts()
	// Conditions on tags and boundary are evaluated on the propagated version.
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

// authorize evaluates the caller's policies.
func (q *request) authorize(action, resource string, known facts) *apiError {
	return q.authorizeAs(resource, action, resource, known)
}

// authorizeAs is authorize with a different name of the resource in the error message.
func (q *request) authorizeAs(called, action, resource string, known facts) *apiError {
	entity, limit := q.entityGrants(q.caller, action, resource, known, q.visible), q.caller.limit(action, resource, known)
	if both(entity, limit) == allowed {
		return nil
	}
	return accessDenied(q.caller, action, called+denial(action, entity, limit))
}

// change applies a function to a copy of a role and stores the copy.
func (q *request) change(r *role, change func(*role)) {
	next := r.clone()
	change(next)
	q.put(next.name, next)
}

func (q *request) put(name string, r *role) {
	key := strings.ToLower(name)
	h := q.callerAccount().roles[key]
	if h == nil {
		h = &history{}
		q.callerAccount().roles[key] = h
	}
	h.set(q.now, q.now.Add(-q.faults.propagation()), r)
}

// page returns one page of a list, of the requested size or the maximum, and the marker of
// the next page.
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

// sortedRoles returns the visible roles, sorted by name.
func (q *request) sortedRoles() []*role {
	var all []*role
	for _, h := range q.callerAccount().roles {
		if r := q.visible(h); r != nil {
			all = append(all, r)
		}
	}
	slices.SortFunc(all, func(a, b *role) int { return strings.Compare(a.name, b.name) })
	return all
}

func timestamp(t time.Time) string { return t.UTC().Format(time.RFC3339) }

func itoa(n int) string { return strconv.Itoa(n) }
