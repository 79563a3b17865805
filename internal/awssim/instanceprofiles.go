package awssim

import (
	"net/http"
	"slices"
	"strings"
)

// profilesOf returns the instance profiles with a role, sorted by name.
func (q *request) profilesOf(r *role) []*instanceProfile {
	var all []*instanceProfile
	for _, p := range q.profiles {
		if p.account == q.caller.account && slices.Contains(p.roles, r.name) {
			all = append(all, p)
		}
	}
	slices.SortFunc(all, func(a, b *instanceProfile) int { return strings.Compare(a.name, b.name) })
	return all
}

type profileShape struct {
	Path                string
	InstanceProfileName string
	InstanceProfileID   string `xml:"InstanceProfileId"`
	Arn                 string
	CreateDate          string
	Roles               []roleShape `xml:"Roles>member"`
}

func listInstanceProfiles(q *request) (any, *apiError) {
	r, failure := q.target(false, nil)
	if failure != nil {
		return nil, failure
	}
	var all []profileShape
	for _, p := range q.profilesOf(r) {
		all = append(all, profileShape{
			Path: p.path, InstanceProfileName: p.name, InstanceProfileID: p.id, Arn: p.arn,
			CreateDate: timestamp(p.created), Roles: []roleShape{q.shape(r, false)},
		})
	}
	part, marker, failure := page(q, all)
	return struct {
		InstanceProfiles []profileShape `xml:"InstanceProfiles>member"`
		IsTruncated      bool
		Marker           string `xml:",omitempty"`
	}{part, marker != "", marker}, failure
}

func removeFromInstanceProfile(q *request) (any, *apiError) {
	name, err1 := q.form.required("InstanceProfileName", policyNameRule)
	roleName, err2 := q.form.required("RoleName", roleNameRule)
	if failure := first(err1, err2); failure != nil {
		return nil, failure
	}
	p := q.profiles[q.caller.account+"/"+name]
	if p == nil || !slices.Contains(p.roles, roleName) {
		return nil, newError(http.StatusNotFound, "NoSuchEntity", "Instance Profile "+name+" cannot be found.")
	}
	if failure := q.authorize("iam:RemoveRoleFromInstanceProfile", p.arn, q.facts()); failure != nil {
		return nil, failure
	}
	p.roles = slices.DeleteFunc(p.roles, func(r string) bool { return r == roleName })
	return nil, nil
}
