package iamprovision

import (
	"context"
	"fmt"
	"slices"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam/types"

	"kube-aws-iam-controller/internal/identity"
)

// settleTrust decides what becomes of a trust policy in the form that versions before
// gave to roles, which demands no session name and takes a session with the tags
// of EKS Pod Identity. Nobody changed it, so it is no drift. It is renewed only once
// it is known that the controller's session carries no such tags: the new form would
// refuse it, and the role's pods would lose what they have. Of anything else correct
// makes the new form.
func (p *Provisioner) resolveTrust(ctx context.Context, s spec, have *types.Role, role *identity.Role) spec {
	if !samePolicy(identity.TrustPolicy, aws.ToString(have.AssumeRolePolicyDocument), s.legacyTrust) {
		return s
	}
	want := s.want
	want.Role = role.ARN
	switch why, err := p.TransitiveTags(ctx, want); {
	case err != nil:
		role.Kept = keptMessage(role.ARN, err.Error())
	case why != "":
		role.Kept = keptMessage(role.ARN, why)
	default:
		role.Renewed = true
	}
	if s.dryRun || !role.Renewed {
		s.trust = s.legacyTrust
	}
	return s
}

func keptMessage(role identity.RoleReference, why string) string {
	return fmt.Sprintf("Role '%s' keeps the trust policy that a version before gave it, which takes every ServiceAccount of the namespace, "+
		"and its sessions may carry the tags of the controller's, such as kubernetes-namespace, instead of its own: %s", role, why)
}

// tellRenewed tells a trust policy that was renewed from one that was corrected.
func markRenewed(role *identity.Role) {
	if !role.Renewed {
		return
	}
	role.Renewed = slices.Contains(role.Changed, trustKind)
	role.Changed = slices.DeleteFunc(role.Changed, func(kind string) bool { return kind == trustKind })
}
