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

// Delete deletes the managed role of an identity, and reports whether it existed.
// id is its unique ID, "" if unknown. A role that belongs to somebody else is left
// unchanged, with an *identity.StepError of the reason RoleNotOwned.
//
// The order of the steps is the one that IAM requires:
// https://docs.aws.amazon.com/IAM/latest/UserGuide/id_roles_manage_delete.html.
// Whatever is found to be deleted already is skipped.
func (p *Provisioner) Delete(ctx context.Context, key identity.Key, id string) (bool, error) {
	name := RoleName(p.ClusterName, key)
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

// Retain tags the managed role of an identity as one to keep although nobody
// requests it, and reports whether it existed.
func (p *Provisioner) Retain(ctx context.Context, key identity.Key, id string) (bool, error) {
	name := RoleName(p.ClusterName, key)
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

// find returns the managed role of an identity, nil if it does not exist. A role
// that belongs to somebody else is an error.
func (p *Provisioner) find(ctx context.Context, key identity.Key, id string) (*types.Role, error) {
	if p.ClusterName == "" {
		return nil, nil //nolint:nilnil // without a cluster name no role can have been created
	}
	name := RoleName(p.ClusterName, key)
	have, err := p.get(ctx, name)
	switch {
	case isMissing(err):
		return nil, nil //nolint:nilnil // not found is a valid answer
	case err != nil:
		return nil, provisionError(name, err)
	}
	uid, err := p.clusterUID(ctx)
	if err != nil {
		return nil, provisionError(name, err)
	}
	return have, p.checkOwned(key, have, id, uid)
}

// dismantle removes the policies first, so that a role that cannot be deleted has
// no permissions left: removing it from an instance profile takes a permission that
// the controller may lack.
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

// leaveInstanceProfile removes a role from an instance profile.
func (p *Provisioner) leaveInstanceProfile(ctx context.Context, role, profile string) error {
	_, err := p.iam.RemoveRoleFromInstanceProfile(ctx, &iam.RemoveRoleFromInstanceProfileInput{RoleName: &role, InstanceProfileName: &profile})
	return awserr.About("instance profile "+profile, ignoreMissing(err))
}
