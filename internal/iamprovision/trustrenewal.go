package iamprovision

import (
	"context"
	"fmt"
	"slices"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam/types"

	"kube-aws-iam-controller/internal/identity"
)

// resolveTrust decides what happens to a trust policy in the form that earlier
// versions wrote, which requires no session name and accepts sessions with the tags
// of EKS Pod Identity. Nobody changed it, so it is not drift. It is upgraded only
// once the controller's session is known to carry no such tags: otherwise the new
// form would deny the controller, and running pods would lose their credentials.
// Any other trust policy is replaced by correct.
func (p *Provisioner) resolveTrust(ctx context.Context, s spec, have *types.Role, role *identity.Role) spec {
	if !samePolicy(identity.TrustPolicy, aws.ToString(have.AssumeRolePolicyDocument), s.legacyTrust) {
		return s
	}
	want := s.want
	want.Role = role.ARN
	switch why, err := p.TransitiveTags(ctx, want); {
	case err != nil:
		role.TrustOutdated = keptMessage(role.ARN, err.Error())
	case why != "":
		role.TrustOutdated = keptMessage(role.ARN, why)
	default:
		role.TrustRenewed = true
	}
	if s.dryRun || !role.TrustRenewed {
		s.trust = s.legacyTrust
	}
	return s
}

// keptMessage explains why a trust policy was left unchanged.
func keptMessage(role identity.RoleReference, why string) string {
	return fmt.Sprintf("Role '%s' still has the trust policy of an earlier version, which any ServiceAccount of the namespace satisfies. "+
		"Its sessions may carry the controller's session tags, such as kubernetes-namespace, in place of the role's own tags: %s", role, why)
}

// markRenewed distinguishes an upgraded trust policy from a corrected one.
func markRenewed(role *identity.Role) {
	if !role.TrustRenewed {
		return
	}
	role.TrustRenewed = slices.Contains(role.Changed, trustKind)
	role.Changed = slices.DeleteFunc(role.Changed, func(kind string) bool { return kind == trustKind })
}
