package iamprovision

import (
	"context"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/iam/types"

	"kube-aws-iam-controller/internal/api"
	"kube-aws-iam-controller/internal/awserr"
	"kube-aws-iam-controller/internal/identity"
)

// Delete takes away an identity's own role, and says whether there was one. It
// returns nil where there is none, and an *identity.StepError with the reason
// RoleNotOwned for one that is somebody else's, which stays as it is.
//
// The order is the one that IAM demands:
// https://docs.aws.amazon.com/IAM/latest/UserGuide/id_roles_manage_delete.html.
// What is found gone on the way is as good as deleted.
func (p *Provisioner) Delete(ctx context.Context, key identity.Key, id string) (bool, error) {
	name := roleName(p.ClusterName, key)
	have, err := p.find(ctx, key, id)
	if err != nil || have == nil {
		return false, err
	}
	if err = ignoreMissing(p.dismantle(ctx, name)); err != nil {
		return false, provisionError(name, err)
	}
	p.tombstones.add(aws.ToString(have.RoleId), time.Now())
	p.inventory.remove(p.ClusterName, name)
	return true, nil
}

// Retain marks an identity's own role as one to be kept although nobody asks
// for it, and says whether there was one.
func (p *Provisioner) Retain(ctx context.Context, key identity.Key, id string) (bool, error) {
	name := roleName(p.ClusterName, key)
	have, err := p.find(ctx, key, id)
	if err != nil || have == nil {
		return false, err
	}
	tags := map[string]string{api.RetainedTag: "true"}
	uid, err := p.clusterUID(ctx)
	if err != nil {
		return false, provisionError(name, err)
	}
	if uid != "" {
		tags[api.ClusterUIDTag] = uid
	}
	if _, err = p.iam.TagRole(ctx, &iam.TagRoleInput{RoleName: &name, Tags: toTags(tags)}); err != nil {
		return false, provisionError(name, err)
	}
	return true, nil
}

// find returns an identity's own role, nil if there is none. One that is not
// ours is an error.
func (p *Provisioner) find(ctx context.Context, key identity.Key, id string) (*types.Role, error) {
	if p.ClusterName == "" {
		return nil, nil //nolint:nilnil // no role can have been made under such a name
	}
	name := roleName(p.ClusterName, key)
	have, err := p.get(ctx, name)
	switch {
	case isMissing(err):
		return nil, nil //nolint:nilnil // gone is an answer, not a failure
	case err != nil:
		return nil, provisionError(name, err)
	}
	uid, err := p.clusterUID(ctx)
	if err != nil {
		return nil, provisionError(name, err)
	}
	return have, p.checkOwned(key, have, id, uid)
}

// dismantle takes the policies first, so that a role which cannot be deleted can do
// nothing more: to take it out of an instance profile needs a permission that a
// controller may lack.
func (p *Provisioner) dismantle(ctx context.Context, role string) error {
	attached, err := p.attached(ctx, role)
	if err != nil {
		return err
	}
	for _, arn := range attached {
		if err = p.detach(ctx, role, arn); err != nil {
			return err
		}
	}
	inline, err := p.inline(ctx, role)
	if err != nil {
		return err
	}
	for _, policy := range inline {
		if err = p.deletePolicy(ctx, role, policy); err != nil {
			return err
		}
	}
	profiles, err := p.instanceProfiles(ctx, role)
	if err != nil {
		return err
	}
	for _, profile := range profiles {
		if err = p.leaveInstanceProfile(ctx, role, profile); err != nil {
			return err
		}
	}
	_, err = p.iam.DeleteRole(ctx, &iam.DeleteRoleInput{RoleName: &role})
	return err
}

// leave takes a role out of an instance profile.
func (p *Provisioner) leaveInstanceProfile(ctx context.Context, role, profile string) error {
	_, err := p.iam.RemoveRoleFromInstanceProfile(ctx, &iam.RemoveRoleFromInstanceProfileInput{RoleName: &role, InstanceProfileName: &profile})
	return awserr.About("instance profile "+profile, ignoreMissing(err))
}
