package awssim

import (
	"fmt"
	"net/http"
	"strings"
)

// policyShape is a managed policy in a response.
type policyShape struct {
	PolicyName, Arn, Path string
	DefaultVersionID      string `xml:"DefaultVersionId"`
	IsAttachable          bool
}

// readManaged returns the managed policy that a request names. Unlike a role it is named
// by its ARN, so AccessDenied precedes NoSuchEntity.
func (q *request) readManaged() (arn string, d *document, failure *apiError) {
	if arn, failure = q.form.required("PolicyArn", arnRule); failure != nil {
		return arn, nil, failure
	}
	if failure = q.authorizeAs("policy "+arn, "iam:"+q.action, arn, q.facts()); failure != nil {
		return arn, nil, failure
	}
	if d = q.managed(q.callerAccount(), arn); d == nil {
		return arn, nil, newError(http.StatusNotFound, "NoSuchEntity", "Policy "+arn+" was not found.")
	}
	return arn, d, nil
}

// getPolicy implements https://docs.aws.amazon.com/IAM/latest/APIReference/API_GetPolicy.html.
func getPolicy(q *request) (any, *apiError) {
	arn, d, failure := q.readManaged()
	if failure != nil {
		return nil, failure
	}
	_, path, _ := strings.Cut(arn, ":policy")
	name := strings.LastIndexByte(path, '/') + 1
	return struct{ Policy policyShape }{policyShape{
		PolicyName: path[name:], Arn: arn, Path: path[:name], DefaultVersionID: d.versionID(), IsAttachable: true,
	}}, nil
}

// getPolicyVersion implements https://docs.aws.amazon.com/IAM/latest/APIReference/API_GetPolicyVersion.html.
// Earlier versions are not kept.
func getPolicyVersion(q *request) (any, *apiError) {
	id, failure := q.form.required("VersionId", versionIDRule)
	if failure != nil {
		return nil, failure
	}
	arn, d, failure := q.readManaged()
	if failure != nil {
		return nil, failure
	}
	if id != d.versionID() {
		return nil, newError(http.StatusNotFound, "NoSuchEntity", "Policy "+arn+" version "+id+" does not exist or is not attachable.")
	}
	type version struct {
		Document         string
		VersionID        string `xml:"VersionId"`
		IsDefaultVersion bool
	}
	return struct{ PolicyVersion version }{version{encodeDocument(d.text), id, true}}, nil
}

var versionIDRule = makeRule(1, 128, `v[1-9][0-9]*(\.[A-Za-z0-9-]*)?`)

func (d *document) versionID() string { return fmt.Sprintf("v%d", d.version) }
