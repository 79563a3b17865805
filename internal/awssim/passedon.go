package awssim

import (
	"net/http"
	"slices"
)

// mayIdentify authorizes sts:SetSourceIdentity. The source identity of the caller's own
// session is passed on, cannot be changed, and needs the permission again, on both sides:
// https://docs.aws.amazon.com/IAM/latest/UserGuide/id_credentials_temp_control-access_monitor.html#id_credentials_temp_control-access_monitor-setup.
func (q *request) mayIdentify(r *role, a *assumption) *apiError {
	inherited := q.caller.source != ""
	if inherited && a.source != "" && a.source != q.caller.source {
		return accessDenied(q.caller, "sts:SetSourceIdentity", a.arn)
	}
	if inherited {
		a.source = q.caller.source
	}
	if a.source == "" {
		return nil
	}
	known := q.assumeFacts(*a)
	granted := !inherited || q.grants(q.caller, "sts:SetSourceIdentity", r.arn, known, q.visible) == allowed
	if !granted || !q.allows(r, *a, "sts:SetSourceIdentity", known) {
		return accessDenied(q.caller, "sts:SetSourceIdentity", a.arn)
	}
	return nil
}

// mayTag authorizes sts:TagSession, which has no condition key for the external ID:
// https://docs.aws.amazon.com/IAM/latest/UserGuide/id_session-tags.html.
func (q *request) mayTag(r *role, a assumption) *apiError {
	if len(a.tags) == 0 && len(a.transitive) == 0 && len(q.caller.transitive) == 0 {
		return nil
	}
	if failure := q.tagConflict(a); failure != nil {
		return failure
	}
	known := q.sessionFacts(a)
	known.requestTags(a.tags)
	for _, t := range a.tags {
		if len(a.transitive) > 0 && slices.Contains(a.transitive, foldKey(t.Key)) {
			known["sts:transitivetagkeys"] = append(known["sts:transitivetagkeys"], t.Key)
		}
	}
	if !q.allows(r, a, "sts:TagSession", known) {
		return accessDenied(q.caller, "sts:TagSession", a.arn)
	}
	return nil
}

// tagConflict returns an error for tags that are transitive in the caller's session, and
// for transitive keys without a tag. Keys are case-insensitive.
func (q *request) tagConflict(a assumption) *apiError {
	conflict := func(message string) *apiError {
		return newError(http.StatusBadRequest, "InvalidParameterValue", message)
	}
	has := map[string]bool{}
	for _, t := range a.tags {
		if slices.Contains(q.caller.transitive, foldKey(t.Key)) {
			return conflict("One of the specified transitive tag keys can't be set because it conflicts with a transitive tag key from the calling session.")
		}
		has[foldKey(t.Key)] = true
	}
	for _, key := range a.transitive {
		if !has[key] {
			return conflict("The specified transitive tag key must be included in the requested tags.")
		}
	}
	return nil
}

func (q *request) sessionFacts(a assumption) facts {
	known := q.facts()
	known["sts:rolesessionname"] = []string{a.session}
	if a.source != "" {
		known["sts:sourceidentity"] = []string{a.source}
	}
	return known
}
