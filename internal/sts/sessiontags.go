package sts

import (
	"strings"

	"github.com/aws/aws-sdk-go-v2/service/sts/types"

	"kube-aws-iam-controller/internal/api"
	"kube-aws-iam-controller/internal/awserr"
	"kube-aws-iam-controller/internal/identity"
)

// tags returns the session tags for want, nil for none. Managed roles have the same
// keys as tags of the role.
func (a *Assumer) tags(want identity.Desired) []types.Tag {
	if !a.SessionTags || want.Managed != nil {
		return nil
	}
	tags := []types.Tag{{Key: new(api.NamespaceTag), Value: new(want.Namespace)}}
	if a.ClusterName != "" {
		tags = append(tags, types.Tag{Key: new(api.ClusterTag), Value: new(a.ClusterName)})
	}
	if want.Source == identity.ServiceAccount {
		tags = append(tags, types.Tag{Key: new(api.ServiceAccountTag), Value: new(want.Name)})
	}
	return tags
}

// isUntaggable recognizes the denial of session tags, which need a permission of
// their own: https://docs.aws.amazon.com/IAM/latest/UserGuide/id_session-tags.html.
func isUntaggable(err error) bool {
	return awserr.IsDenied(err) && strings.Contains(err.Error(), "sts:TagSession")
}

// tagAdvice returns the remedy for a denial of session tags. Tags that the
// controller does not pass itself are those of its own session, which EKS Pod
// Identity makes transitive.
func (a *Assumer) tagAdvice(want identity.Desired) string {
	const allow = "have the role's trust policy allow sts:TagSession, as in the one that the command trust-policy prints, or "
	if a.tags(want) == nil {
		return allow + "disable session tags on the controller's EKS Pod Identity association: they are passed on"
	}
	return allow + "run the controller without --session-tags (under EKS Pod Identity also disable session tags on its association)"
}
