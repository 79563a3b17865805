package awssim

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"
)

// roleShape is a role in responses.
type roleShape struct {
	Path                     string
	RoleName                 string
	RoleID                   string `xml:"RoleId"`
	Arn                      string
	CreateDate               string
	AssumeRolePolicyDocument string
	Description              string         `xml:",omitempty"`
	MaxSessionDuration       int            `xml:",omitempty"`
	PermissionsBoundary      *boundaryShape `xml:",omitempty"`
	Tags                     []tag          `xml:"Tags>member,omitempty"`
	RoleLastUsed             *lastUsedShape `xml:",omitempty"` // of GetRole alone
}

type boundaryShape struct {
	Type string `xml:"PermissionsBoundaryType"`
	Arn  string `xml:"PermissionsBoundaryArn"`
}

// encodeDocument URL-encodes a policy for a response, according to RFC 3986.
func encodeDocument(text string) string { return strings.ReplaceAll(url.QueryEscape(text), "+", "%20") }

// shape returns the response for a role. Lists omit tags and boundary.
func (q *request) shape(r *role, whole bool) roleShape {
	s := roleShape{
		Path: r.path, RoleName: r.name, RoleID: r.id, Arn: r.arn, CreateDate: timestamp(r.created),
		AssumeRolePolicyDocument: encodeDocument(q.shown(r.trust)),
		Description:              r.description, MaxSessionDuration: r.maxSession,
	}
	if whole {
		s.Tags = r.tags
		if r.boundary != "" {
			s.PermissionsBoundary = &boundaryShape{Type: "Policy", Arn: r.boundary}
		}
	}
	return s
}

// createRole implements https://docs.aws.amazon.com/IAM/latest/APIReference/API_CreateRole.html.
func createRole(q *request) (any, *apiError) {
	r, failure := q.newRole()
	if failure != nil {
		return nil, failure
	}
	if failure = q.mayCreate(r); failure != nil {
		return nil, failure
	}
	if q.callerAccount().roles[strings.ToLower(r.name)].latest() != nil {
		return nil, newError(http.StatusConflict, "EntityAlreadyExists", fmt.Sprintf("Role with name %s already exists.", r.name))
	}
	if quota := q.faults.maxRoles(); !q.callerAccount().rolesLeft(quota) {
		return nil, limitExceeded(fmt.Sprintf("Cannot exceed quota for RolesPerAccount: %d", quota))
	}
	if failure = q.checkBoundary(r.boundary); failure != nil {
		return nil, failure
	}
	if r.trust, failure = q.parseTrust(q.form.get("AssumeRolePolicyDocument")); failure != nil {
		return nil, failure
	}
	q.put(r.name, r)
	return struct{ Role roleShape }{q.shape(r, true)}, nil
}

// newRole returns a role from the parameters of CreateRole, without the trust policy.
func (q *request) newRole() (*role, *apiError) {
	r := &role{id: newID("AROA", 21), created: q.now, inline: map[string]*document{}, tags: q.form.tags()}
	var errs [7]*apiError
	r.name, errs[0] = q.form.required("RoleName", roleNameRule)
	_, errs[1] = q.form.required("AssumeRolePolicyDocument", documentRule)
	r.path, errs[2] = q.form.optional("Path", "/", pathRule)
	r.description, errs[3] = q.form.optional("Description", "", descriptionRule)
	r.maxSession, errs[4] = q.form.number("MaxSessionDuration", defaultSession, defaultSession, maxSession)
	r.boundary, errs[5] = q.form.optional("PermissionsBoundary", "", arnRule)
	errs[6] = checkTags(r.tags)
	r.arn = q.arn("iam", q.caller.account, "role"+r.path+r.name)
	return r, first(errs[:]...)
}

// mayCreate authorizes iam:CreateRole, and iam:TagRole if the request has tags.
func (q *request) mayCreate(r *role) *apiError {
	known := q.facts()
	known.requestTags(r.tags)
	if r.boundary != "" {
		known["iam:permissionsboundary"] = []string{r.boundary}
	}
	failure := q.authorize("iam:CreateRole", r.arn, known)
	if failure == nil && len(r.tags) > 0 {
		failure = q.authorize("iam:TagRole", r.arn, known)
	}
	return failure
}

// serviceRolePolicies is the ARN prefix of AWS managed policies for service-linked roles.
const serviceRolePolicies = ":iam::aws:policy/aws-service-role/"

// checkPolicy returns an error for a managed policy that does not exist or is not
// attachable.
func (q *request) checkPolicy(arn string) *apiError {
	switch {
	case strings.Contains(arn, serviceRolePolicies):
		return newError(http.StatusBadRequest, "PolicyNotAttachable", "Cannot attach a Service Role Policy to a Customer Role.")
	case q.managed(q.callerAccount(), arn) == nil:
		return newError(http.StatusNotFound, "NoSuchEntity", "Policy "+arn+" does not exist or is not attachable.")
	default:
		return nil
	}
}

// checkBoundary returns an error for a permissions boundary that does not exist. "" means
// none. IAM's message calls a boundary a scope.
func (q *request) checkBoundary(arn string) *apiError {
	if arn == "" || q.managed(q.callerAccount(), arn) != nil {
		return nil
	}
	return newError(http.StatusNotFound, "NoSuchEntity", "Scope ARN: "+arn+" does not exist or is not attachable.")
}

func getRole(q *request) (any, *apiError) {
	r, failure := q.target(false, nil)
	if failure != nil {
		return nil, failure
	}
	shape := q.shape(r, true)
	shape.RoleLastUsed = q.lastUsed(r)
	return struct{ Role roleShape }{shape}, nil
}

func listRoles(q *request) (any, *apiError) {
	prefix, failure := q.form.optional("PathPrefix", "/", pathPrefixRule)
	if failure != nil {
		return nil, failure
	}
	if failure = q.authorize("iam:ListRoles", "*", q.facts()); failure != nil {
		return nil, failure
	}
	var all []roleShape
	for _, r := range q.sortedRoles() {
		if strings.HasPrefix(r.path, prefix) {
			all = append(all, q.shape(r, false))
		}
	}
	part, marker, failure := page(q, all)
	return struct {
		Roles       []roleShape `xml:"Roles>member"`
		IsTruncated bool
		Marker      string `xml:",omitempty"`
	}{part, marker != "", marker}, failure
}
