package awssim

import (
	"net/http"
	"slices"
)

func tagRole(q *request) (any, *apiError) {
	tags := q.form.tags()
	if failure := checkTags(tags); failure != nil {
		return nil, failure
	}
	known := facts{}
	known.requestTags(tags)
	r, failure := q.target(true, known)
	if failure != nil {
		return nil, failure
	}
	merged := merge(r.tags, tags)
	if len(merged) > maxTags {
		return nil, limitExceeded("The number of tags has reached the maximum limit.")
	}
	q.change(r, func(r *role) { r.tags = merged })
	return nil, nil
}

// merge adds tags. A key that differs in case only replaces the existing one.
func merge(have, more []tag) []tag {
	out := slices.Clone(have)
	for _, t := range more {
		i := slices.IndexFunc(out, func(h tag) bool { return foldKey(h.Key) == foldKey(t.Key) })
		if i < 0 {
			out = append(out, t)
		} else {
			out[i] = t
		}
	}
	return out
}

func untagRole(q *request) (any, *apiError) {
	keys := q.form.list("TagKeys")
	known := facts{}
	for _, key := range keys {
		if failure := tagKeyRule.check("tagKeys", key); failure != nil {
			return nil, failure
		}
		known["aws:tagkeys"] = append(known["aws:tagkeys"], key)
	}
	r, failure := q.target(true, known)
	if failure != nil {
		return nil, failure
	}
	q.change(r, func(r *role) {
		r.tags = slices.DeleteFunc(r.tags, func(t tag) bool {
			return slices.ContainsFunc(keys, func(key string) bool { return foldKey(key) == foldKey(t.Key) })
		})
	})
	return nil, nil
}

func listRoleTags(q *request) (any, *apiError) {
	r, failure := q.target(false, nil)
	if failure != nil {
		return nil, failure
	}
	part, marker, failure := page(q, r.tags)
	return struct {
		Tags        []tag `xml:"Tags>member"`
		IsTruncated bool
		Marker      string `xml:",omitempty"`
	}{part, marker != "", marker}, failure
}

func putBoundary(q *request) (any, *apiError) {
	arn, failure := q.form.required("PermissionsBoundary", arnRule)
	if failure != nil {
		return nil, failure
	}
	r, failure := q.target(true, facts{"iam:permissionsboundary": {arn}})
	if failure == nil {
		failure = q.checkBoundary(arn)
	}
	if failure != nil {
		return nil, failure
	}
	q.change(r, func(r *role) { r.boundary = arn })
	return nil, nil
}

func deleteBoundary(q *request) (any, *apiError) {
	r, failure := q.target(true, nil)
	if failure != nil {
		return nil, failure
	}
	if r.boundary == "" {
		return nil, newError(http.StatusNotFound, "NoSuchEntity", "Permissions boundary for role "+r.name+" was not found.")
	}
	q.change(r, func(r *role) { r.boundary = "" })
	return nil, nil
}
