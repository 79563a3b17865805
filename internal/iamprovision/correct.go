package iamprovision

import (
	"context"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/iam/types"

	"kube-aws-iam-controller/internal/api"
	"kube-aws-iam-controller/internal/awserr"
	"kube-aws-iam-controller/internal/identity"
)

// The parts of a role that can differ from its specification, as named by events
// and metrics.
const (
	boundaryKind = "boundary"
	trustKind    = "trust"
	sessionKind  = "session"
	tagsKind     = "tags"
	uidKind      = identity.ClusterUIDKind
	managedKind  = identity.ManagedPoliciesKind
	inlineKind   = identity.InlinePolicyKind
)

// correct makes the writes needed for a role to match s, and returns what differed.
// With s.dryRun it writes nothing.
//
// Any write may be refused, in particular one for what a tenant requested, so the
// order matters. The boundary comes first: nothing is granted outside of it. Then
// the trust policy: principals added by others are removed even if later steps
// fail. Then the tags, by which policies can distinguish roles, and the policies,
// see correctPolicies. The maximum session duration is raised before and lowered
// after that, because sessions have the old duration until all of the request has
// been applied.
func (p *Provisioner) correct(ctx context.Context, s spec, have *types.Role) ([]string, error) {
	var changed []string
	for _, part := range []struct {
		kind    string
		correct func(context.Context, spec, *types.Role) (bool, error)
	}{
		{boundaryKind, p.correctBoundary},
		{trustKind, p.correctTrust},
		{sessionKind, p.lengthenSession},
		{tagsKind, p.correctTags},
		{uidKind, p.tagClusterUID},
	} {
		differed, err := part.correct(ctx, s, have)
		if err != nil {
			return changed, err
		}
		if differed {
			changed = append(changed, part.kind)
		}
	}
	policies, err := p.correctPolicies(ctx, s)
	changed = append(changed, policies...)
	if err != nil {
		return changed, err
	}
	differed, err := p.shortenSession(ctx, s, have)
	if differed && err == nil {
		changed = append(changed, sessionKind)
	}
	return changed, err
}

func (p *Provisioner) correctBoundary(ctx context.Context, s spec, have *types.Role) (bool, error) {
	current := ""
	if have.PermissionsBoundary != nil {
		current = aws.ToString(have.PermissionsBoundary.PermissionsBoundaryArn)
	}
	if differs := current != s.boundary; !differs || s.dryRun {
		return differs, nil
	}
	var err error
	if s.boundary == "" {
		_, err = p.iam.DeleteRolePermissionsBoundary(ctx, &iam.DeleteRolePermissionsBoundaryInput{RoleName: &s.name})
	} else {
		_, err = p.iam.PutRolePermissionsBoundary(ctx, &iam.PutRolePermissionsBoundaryInput{RoleName: &s.name, PermissionsBoundary: &s.boundary})
		err = awserr.About(s.boundary, err)
	}
	return true, err
}

// correctTrust also repairs a policy whose principal was deleted and recreated: IAM
// then shows the unique ID of the deleted principal instead of its ARN.
func (p *Provisioner) correctTrust(ctx context.Context, s spec, have *types.Role) (bool, error) {
	if differs := !samePolicy(identity.TrustPolicy, aws.ToString(have.AssumeRolePolicyDocument), s.trust); !differs || s.dryRun {
		return differs, nil
	}
	_, err := p.iam.UpdateAssumeRolePolicy(ctx, &iam.UpdateAssumeRolePolicyInput{RoleName: &s.name, PolicyDocument: &s.trust})
	return true, err
}

func (p *Provisioner) lengthenSession(ctx context.Context, s spec, have *types.Role) (bool, error) {
	if aws.ToInt32(have.MaxSessionDuration) >= s.session {
		return false, nil
	}
	return true, p.setSession(ctx, s)
}

func (p *Provisioner) shortenSession(ctx context.Context, s spec, have *types.Role) (bool, error) {
	if aws.ToInt32(have.MaxSessionDuration) <= s.session {
		return false, nil
	}
	return true, p.setSession(ctx, s)
}

// setSession sends the description as well, because UpdateRole may reset what is
// omitted.
func (p *Provisioner) setSession(ctx context.Context, s spec) error {
	if s.dryRun {
		return nil
	}
	_, err := p.iam.UpdateRole(ctx, &iam.UpdateRoleInput{RoleName: &s.name, MaxSessionDuration: &s.session, Description: &s.description})
	return err
}

// correctTags sets missing tags, removes the retained tag, and leaves other tags
// unchanged.
func (p *Provisioner) correctTags(ctx context.Context, s spec, have *types.Role) (bool, error) {
	current := toMap(have.Tags)
	missing := map[string]string{}
	for key, value := range s.tags {
		if got, has := current[key]; !has || got != value {
			missing[key] = value
		}
	}
	_, retained := current[api.RetainedTag]
	if differs := len(missing) > 0 || retained; !differs || s.dryRun {
		return differs, nil
	}
	if len(missing) > 0 {
		if _, err := p.iam.TagRole(ctx, &iam.TagRoleInput{RoleName: &s.name, Tags: toTags(missing)}); err != nil {
			return true, err
		}
	}
	if !retained {
		return true, nil
	}
	_, err := p.iam.UntagRole(ctx, &iam.UntagRoleInput{RoleName: &s.name, TagKeys: []string{api.RetainedTag}})
	return true, err
}

// tagClusterUID adds the cluster's UID to a role that predates the tag or is
// adopted.
func (p *Provisioner) tagClusterUID(ctx context.Context, s spec, have *types.Role) (bool, error) {
	if differs := s.clusterUID != "" && toMap(have.Tags)[api.ClusterUIDTag] != s.clusterUID; !differs || s.dryRun {
		return differs, nil
	}
	_, err := p.iam.TagRole(ctx, &iam.TagRoleInput{RoleName: &s.name, Tags: toTags(map[string]string{api.ClusterUIDTag: s.clusterUID})})
	return true, err
}
