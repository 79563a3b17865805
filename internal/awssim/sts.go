package awssim

import (
	"maps"
	"net/http"
	"strings"
)

func stsActions() map[string]handler {
	return map[string]handler{
		"AssumeRole":        assumeRole,
		"GetCallerIdentity": getCallerIdentity,
		webIdentityAction:   assumeRoleWithWebIdentity,
	}
}

type callerIdentity struct {
	Arn     string
	UserID  string `xml:"UserId"`
	Account string
}

// getCallerIdentity needs no permission,
// https://docs.aws.amazon.com/STS/latest/APIReference/API_GetCallerIdentity.html.
func getCallerIdentity(q *request) (any, *apiError) {
	return callerIdentity{Arn: q.caller.arn, UserID: q.caller.userID(), Account: q.caller.account}, nil
}

// assumption has the parameters of AssumeRole.
type assumption struct {
	account, arn string
	session      string
	externalID   string
	source       string
	duration     int // seconds, 0 for the default
	tags         []tag
	transitive   []string
	policy       *document // nil for none
}

const (
	defaultSession = 3600
	maxSession     = 43200
	minSession     = 900
	maxChained     = 3600
)

func (q *request) assumption() (a assumption, failure *apiError) {
	var errs [7]*apiError
	a.arn, errs[0] = q.form.required("RoleArn", arnRule)
	a.session, errs[1] = q.form.required("RoleSessionName", sessionNameRule)
	a.externalID, errs[2] = q.form.optional("ExternalId", "", externalIDRule)
	a.source, errs[3] = q.form.optional("SourceIdentity", "", sourceIDRule)
	a.duration, errs[4] = q.form.number("DurationSeconds", 0, minSession, maxSession)
	a.tags = q.form.tags()
	errs[5] = checkTags(a.tags)
	a.policy, errs[6] = q.sessionPolicy()
	for _, key := range q.form.list("TransitiveTagKeys") {
		a.transitive = append(a.transitive, foldKey(key))
	}
	if failure = first(errs[:]...); failure != nil {
		return a, failure
	}
	return a, q.locate(&a)
}

// locate sets the account of the role.
func (q *request) locate(a *assumption) *apiError {
	m := principalARN.FindStringSubmatch(a.arn)
	if m == nil || m[1] != q.partition || m[2] != "iam" || !strings.HasPrefix(m[4], "role/") {
		return invalid("%s is invalid", a.arn)
	}
	a.account = m[3]
	return nil
}

// roleOf returns the role of an ARN, nil if STS does not see it.
func (q *request) roleOf(a assumption) *role {
	name := a.arn[strings.LastIndexByte(a.arn, '/')+1:]
	r := q.visible(q.account(a.account).roles[strings.ToLower(name)])
	if r == nil || r.arn != a.arn {
		return nil
	}
	return r
}

func (q *request) regionActive(a assumption) *apiError {
	if q.faults.regionDisabled(a.account) {
		return newError(http.StatusForbidden, "RegionDisabledException", "STS is not activated in this region for account:"+a.account+
			". Your account administrator can activate STS in this region using the IAM Console.")
	}
	return nil
}

type assumedRole struct {
	Credentials struct {
		AccessKeyID     string `xml:"AccessKeyId"`
		SecretAccessKey string
		SessionToken    string
		Expiration      string
	}
	AssumedRoleUser struct {
		AssumedRoleID string `xml:"AssumedRoleId"`
		Arn           string
	}
	PackedPolicySize int    `xml:",omitempty"`
	SourceIdentity   string `xml:",omitempty"`
}

// assumeRole issues temporary credentials,
// https://docs.aws.amazon.com/STS/latest/APIReference/API_AssumeRole.html.
func assumeRole(q *request) (any, *apiError) {
	a, failure := q.assumption()
	if failure != nil {
		return nil, failure
	}
	if failure = q.regionActive(a); failure != nil {
		return nil, failure
	}
	// STS returns the same error for a role that does not exist and one that denies access.
	r := q.roleOf(a)
	if r == nil || !q.mayAssume(r, a) {
		return nil, accessDenied(q.caller, "sts:AssumeRole", a.arn)
	}
	if failure = first(q.mayIdentify(r, &a), q.mayTag(r, a)); failure != nil {
		return nil, failure
	}
	duration, failure := q.sessionLength(r, a)
	if failure != nil {
		return nil, failure
	}
	packed, failure := q.packedSize(a)
	if failure != nil {
		return nil, failure
	}
	return q.issue(r, a, duration, packed), nil
}

// mayAssume authorizes sts:AssumeRole by the role's trust policy and, where required, the
// caller's identity policies.
func (q *request) mayAssume(r *role, a assumption) bool {
	return q.allows(r, a, "sts:AssumeRole", q.assumeFacts(a))
}

func (q *request) assumeFacts(a assumption) facts {
	known := q.sessionFacts(a)
	if a.externalID != "" {
		known["sts:externalid"] = []string{a.externalID}
	}
	return known
}

// allows evaluates access as described in
// https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_evaluation-logic-cross-account.html.
// Within an account, a trust policy that names the caller is sufficient, except for an
// explicit deny and the caller's boundary and session policy. Otherwise both sides must allow the action.
func (q *request) allows(r *role, a assumption, action string, known facts) bool {
	withResource := facts{}
	maps.Copy(withResource, known)
	withResource.resource(r)
	trusted, delegated := r.trust.trusts(q.caller, action, known)
	identity := q.grants(q.caller, action, r.arn, withResource, q.visible)
	switch {
	case trusted != allowed || identity == explicitDeny:
		return false
	case delegated || a.account != q.caller.account:
		return identity == allowed
	default:
		return identity == allowed || q.withinLimits(action, r.arn, withResource)
	}
}

// withinLimits evaluates what limits permissions and grants none. A trust policy that names
// the session itself would not be limited by it; that is not told apart.
func (q *request) withinLimits(action, resource string, known facts) bool {
	if q.caller.limit(action, resource, known) != allowed {
		return false
	}
	account := q.account(q.caller.account)
	caller := q.visible(account.roles[strings.ToLower(q.caller.roleName)])
	return caller == nil || q.bounded(account, caller, action, resource, known) == allowed
}
