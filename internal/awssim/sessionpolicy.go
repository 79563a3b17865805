package awssim

import (
	"bytes"
	"compress/flate"
	"fmt"
	"net/http"
	"slices"
)

// Limits of session policies and tags,
// https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html#reference_iam-quotas-entity-length.
const (
	maxSessionPolicy = 2048
	// maxPacked is the limit of the packed size in bytes. AWS publishes neither its packed
	// format nor the limit, and announced in September 2026 that the size of the session
	// token is limited instead, to 4,096 bytes, which is laxer.
	maxPacked = 1024
)

var sessionPolicyRule = makeRule(1, maxSessionPolicy, `[\t\n\r\x20-\x{FF}]+`)

// sessionPolicy returns the inline session policy of a request, nil for none. It has the
// grammar of identity policies:
// https://docs.aws.amazon.com/IAM/latest/UserGuide/access_policies.html#policies_session.
func (q *request) sessionPolicy() (*document, *apiError) {
	if q.form.Has("PolicyArns.member.1.arn") {
		// Ignoring them would grant more than AWS does.
		return nil, newError(http.StatusNotImplemented, "InvalidAction", "managed session policies are not simulated")
	}
	if !q.form.Has("Policy") {
		return nil, nil
	}
	text := q.form.get("Policy")
	if failure := sessionPolicyRule.check("policy", text); failure != nil {
		return nil, failure
	}
	return parseIdentityPolicy(text)
}

// packedSize returns the size of the session policy and the session tags, inherited ones
// included, in percent of the limit. It returns an error if they exceed it.
func (q *request) packedSize(a assumption) (int, *apiError) {
	var packed bytes.Buffer
	w, _ := flate.NewWriter(&packed, flate.BestCompression) // the level is valid
	if a.policy != nil {
		_, _ = w.Write([]byte(a.policy.text))
	}
	tags := slices.Concat(q.inheritedTags(), a.tags)
	for _, t := range tags {
		_, _ = w.Write([]byte(t.Key + "\x00" + t.Value + "\x00"))
	}
	_ = w.Close()
	percent := (100*packed.Len() + maxPacked - 1) / maxPacked
	switch {
	case a.policy == nil && len(tags) == 0:
		return 0, nil
	case percent <= 100:
		return percent, nil
	case a.policy == nil:
		return 0, tooLarge(fmt.Sprintf("Packed size of session tags consumes %d%% of allotted space.", percent))
	default:
		return 0, tooLarge(fmt.Sprintf("Packed policy consumes %d%% of allotted space, please use smaller policy.", percent))
	}
}

func tooLarge(message string) *apiError {
	return newError(http.StatusBadRequest, "PackedPolicyTooLarge", message)
}

// inheritedTags returns the tags that the caller's session passes on.
func (q *request) inheritedTags() (tags []tag) {
	for _, t := range q.caller.tags {
		if slices.Contains(q.caller.transitive, foldKey(t.Key)) {
			tags = append(tags, t)
		}
	}
	return tags
}

// limit evaluates the session policy of a session. What it allows is no permission by
// itself.
func (p *principal) limit(action, resource string, known facts) verdict {
	if p.policy == nil {
		return allowed
	}
	return evaluate([]*document{p.policy}, action, resource, known)
}

// both returns the verdict of two policies that both have to allow an action.
func both(a, b verdict) verdict {
	switch {
	case a == explicitDeny || b == explicitDeny:
		return explicitDeny
	case a == allowed && b == allowed:
		return allowed
	default:
		return implicitDeny
	}
}

// denial returns how IAM words which type of policy denies an action.
func denial(action string, entity, limit verdict) string {
	switch {
	case entity == explicitDeny:
		return " with an explicit deny in an identity-based policy"
	case limit == explicitDeny:
		return " with an explicit deny in a session policy"
	case entity == allowed:
		return " because no session policy allows the " + action + " action"
	default:
		return " because no identity-based policy allows the " + action + " action"
	}
}
