package serviceaccount

import (
	"fmt"
	"maps"
	"strconv"
	"strings"

	"kube-aws-iam-controller/internal/api"
	"kube-aws-iam-controller/internal/identity"
)

// Annotations says which annotations of other tools are read.
type Annotations struct {
	// IRSA reads api.IRSAAnnotation where no annotation of ours requests an identity.
	IRSA bool
}

// effective returns the annotations that count: those given, without api.IRSAAnnotation
// where it requests nothing. The argument is not changed. The admission policy has the
// same rule.
func (r Annotations) effective(annotations map[string]string) map[string]string {
	if _, has := annotations[api.IRSAAnnotation]; !has || r.requestsByIRSA(annotations) {
		return annotations
	}
	annotations = maps.Clone(annotations)
	delete(annotations, api.IRSAAnnotation)
	return annotations
}

// requestsByIRSA reports whether api.IRSAAnnotation requests an identity. An empty value
// requests none: charts render one where their user gave no role.
func (r Annotations) requestsByIRSA(annotations map[string]string) bool {
	return r.IRSA && strings.TrimSpace(annotations[api.IRSAAnnotation]) != "" && !hasAny(annotations, ownRequests)
}

// parseIRSARole sets the role that api.IRSAAnnotation names. Variables are not expanded in
// it: EKS expands none, and a chart is to mean the same with both.
func parseIRSARole(annotations map[string]string, want *identity.Desired) (err error) {
	want.Role, _, err = parseAnnotation(annotations, api.IRSAAnnotation, identity.ReadRole)
	if err != nil && identity.HasVariables(annotations[api.IRSAAnnotation]) {
		return fmt.Errorf("%w; variables are expanded in %s only", err, api.RoleAnnotation)
	}
	return err
}

// defaultAudience is the audience of the tokens that the webhook of EKS adds to pods,
// unless it is told otherwise.
const defaultAudience = "sts.amazonaws.com"

// ineffectiveIRSA returns the annotations of the webhook of EKS that look effective and
// are not. Its annotation eks.amazonaws.com/token-expiration is none of them: it is the
// lifetime of a token that pods do not need here, not of the session.
func (r Annotations) ineffectiveIRSA(annotations map[string]string) (keys []string) {
	role, has := annotations[api.IRSAAnnotation]
	switch {
	case !r.IRSA && has && !hasAny(annotations, ownRequests),
		r.IRSA && strings.TrimSpace(role) != "" && hasAny(annotations, managedRequests):
		keys = append(keys, api.IRSAAnnotation)
	case r.requestsByIRSA(annotations):
		if audience, has := annotations[api.IRSAAudienceAnnotation]; has && audience != defaultAudience {
			keys = append(keys, api.IRSAAudienceAnnotation)
		}
		if regional, err := strconv.ParseBool(annotations[api.IRSARegionalAnnotation]); err == nil && !regional {
			keys = append(keys, api.IRSARegionalAnnotation)
		}
	}
	return keys
}

// describeIRSA returns why an annotation of the webhook of EKS has no effect beside what
// else is requested, and the remedy.
func (r Annotations) describeIRSA(key string, requested map[string]string) string {
	switch {
	case key == api.IRSAAudienceAnnotation:
		return "the annotation " + key + " has no effect: pods are given credentials, and no token that could have an audience"
	case key == api.IRSARegionalAnnotation:
		return "the annotation " + key + " has no effect: pods use the STS endpoint of their Region, unless a container sets AWS_STS_REGIONAL_ENDPOINTS itself"
	case r.IRSA && requestsManagedRole(requested):
		return "the annotation " + key + " has no effect beside " + api.RolePolicyAnnotation + " or " + api.ManagedPoliciesAnnotation +
			": this ServiceAccount has a managed role. To use the role that it names instead, remove those"
	default:
		return "the annotation " + key + " is not read by this controller: to get credentials, give the role in " + api.RoleAnnotation
	}
}
