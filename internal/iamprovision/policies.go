package iamprovision

import (
	"context"
	"net/url"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam"

	"kube-aws-iam-controller/internal/awserr"
	"kube-aws-iam-controller/internal/identity"
	"kube-aws-iam-controller/internal/trust"
)

func (p *Provisioner) putPolicy(ctx context.Context, s spec) error {
	_, err := p.iam.PutRolePolicy(ctx, &iam.PutRolePolicyInput{RoleName: &s.name, PolicyName: new(policyName), PolicyDocument: &s.policy})
	return err
}

func (p *Provisioner) deletePolicy(ctx context.Context, role, policy string) error {
	_, err := p.iam.DeleteRolePolicy(ctx, &iam.DeleteRolePolicyInput{RoleName: &role, PolicyName: &policy})
	return ignoreMissing(err)
}

func (p *Provisioner) attach(ctx context.Context, role, arn string) error {
	_, err := p.iam.AttachRolePolicy(ctx, &iam.AttachRolePolicyInput{RoleName: &role, PolicyArn: &arn})
	return awserr.About(arn, err)
}

func (p *Provisioner) detach(ctx context.Context, role, arn string) error {
	_, err := p.iam.DetachRolePolicy(ctx, &iam.DetachRolePolicyInput{RoleName: &role, PolicyArn: &arn})
	return ignoreMissing(err)
}

// A pager is a paginator of the SDK.
type pager[Out any] interface {
	HasMorePages() bool
	NextPage(ctx context.Context, options ...func(*iam.Options)) (Out, error)
}

// collect returns the items of all pages.
func collect[Out, Item any](ctx context.Context, pages pager[Out], items func(Out) []Item) ([]Item, error) {
	var all []Item
	for pages.HasMorePages() {
		out, err := pages.NextPage(ctx)
		if err != nil {
			return nil, err
		}
		all = append(all, items(out)...)
	}
	return all, nil
}

// inline returns the names of a role's inline policies.
func (p *Provisioner) inline(ctx context.Context, role string) ([]string, error) {
	return collect(ctx, iam.NewListRolePoliciesPaginator(p.iam, &iam.ListRolePoliciesInput{RoleName: &role}),
		func(out *iam.ListRolePoliciesOutput) []string { return out.PolicyNames })
}

// attached returns the ARNs of the managed policies attached to a role.
func (p *Provisioner) attached(ctx context.Context, role string) ([]string, error) {
	return collect(ctx, iam.NewListAttachedRolePoliciesPaginator(p.iam, &iam.ListAttachedRolePoliciesInput{RoleName: &role}),
		func(out *iam.ListAttachedRolePoliciesOutput) (arns []string) {
			for _, policy := range out.AttachedPolicies {
				arns = append(arns, aws.ToString(policy.PolicyArn))
			}
			return arns
		})
}

// instanceProfiles returns the names of the instance profiles that contain a role.
func (p *Provisioner) instanceProfiles(ctx context.Context, role string) ([]string, error) {
	return collect(ctx, iam.NewListInstanceProfilesForRolePaginator(p.iam, &iam.ListInstanceProfilesForRoleInput{RoleName: &role}),
		func(out *iam.ListInstanceProfilesForRoleOutput) (names []string) {
			for _, profile := range out.InstanceProfiles {
				names = append(names, aws.ToString(profile.InstanceProfileName))
			}
			return names
		})
}

// samePolicy reports whether a policy as returned by IAM, percent-encoded, is
// equivalent to want. One that cannot be decoded is not.
func samePolicy(kind identity.PolicyKind, encoded, want string) bool {
	text, err := url.PathUnescape(encoded)
	return err == nil && trust.Equivalent(kind, text, want)
}
