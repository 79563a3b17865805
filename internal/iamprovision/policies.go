package iamprovision

import (
	"context"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam"
)

func (p *Provisioner) putPolicy(ctx context.Context, s spec) error {
	if err := p.turn(ctx); err != nil {
		return err
	}
	_, err := p.iam.PutRolePolicy(ctx, &iam.PutRolePolicyInput{RoleName: &s.name, PolicyName: new(policyName), PolicyDocument: &s.policy})
	return err
}

func (p *Provisioner) deletePolicy(ctx context.Context, role, policy string) error {
	if err := p.turn(ctx); err != nil {
		return err
	}
	_, err := p.iam.DeleteRolePolicy(ctx, &iam.DeleteRolePolicyInput{RoleName: &role, PolicyName: &policy})
	return gone(err)
}

func (p *Provisioner) attach(ctx context.Context, role, arn string) error {
	if err := p.turn(ctx); err != nil {
		return err
	}
	_, err := p.iam.AttachRolePolicy(ctx, &iam.AttachRolePolicyInput{RoleName: &role, PolicyArn: &arn})
	return err
}

func (p *Provisioner) detach(ctx context.Context, role, arn string) error {
	if err := p.turn(ctx); err != nil {
		return err
	}
	_, err := p.iam.DetachRolePolicy(ctx, &iam.DetachRolePolicyInput{RoleName: &role, PolicyArn: &arn})
	return gone(err)
}

// gone takes what is not there for what was taken away.
func gone(err error) error {
	if isMissing(err) {
		return nil
	}
	return err
}

// inline returns the names of a role's inline policies.
func (p *Provisioner) inline(ctx context.Context, role string) ([]string, error) {
	var all []string
	pages := iam.NewListRolePoliciesPaginator(p.iam, &iam.ListRolePoliciesInput{RoleName: &role})
	for pages.HasMorePages() {
		if err := p.turn(ctx); err != nil {
			return nil, err
		}
		out, err := pages.NextPage(ctx)
		if err != nil {
			return nil, err
		}
		all = append(all, out.PolicyNames...)
	}
	return all, nil
}

// attached returns the ARNs of a role's managed policies.
func (p *Provisioner) attached(ctx context.Context, role string) ([]string, error) {
	var all []string
	pages := iam.NewListAttachedRolePoliciesPaginator(p.iam, &iam.ListAttachedRolePoliciesInput{RoleName: &role})
	for pages.HasMorePages() {
		if err := p.turn(ctx); err != nil {
			return nil, err
		}
		out, err := pages.NextPage(ctx)
		if err != nil {
			return nil, err
		}
		for _, policy := range out.AttachedPolicies {
			all = append(all, aws.ToString(policy.PolicyArn))
		}
	}
	return all, nil
}

// profiles returns the names of the instance profiles that a role is in.
func (p *Provisioner) profiles(ctx context.Context, role string) ([]string, error) {
	var all []string
	pages := iam.NewListInstanceProfilesForRolePaginator(p.iam, &iam.ListInstanceProfilesForRoleInput{RoleName: &role})
	for pages.HasMorePages() {
		if err := p.turn(ctx); err != nil {
			return nil, err
		}
		out, err := pages.NextPage(ctx)
		if err != nil {
			return nil, err
		}
		for _, profile := range out.InstanceProfiles {
			all = append(all, aws.ToString(profile.InstanceProfileName))
		}
	}
	return all, nil
}
