package iamprovision

import (
	"context"
	"errors"
	"fmt"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/iam/types"

	"kube-aws-iam-controller/internal/api"
	"kube-aws-iam-controller/internal/awserr"
	"kube-aws-iam-controller/internal/identity"
)

// policyName is the name of the inline policy.
const policyName = "kube-aws-iam-controller"

// errNotVisible is for a role that IAM says is there and does not show: what is
// written there is seen some seconds later.
var errNotVisible = errors.New("the role exists, but cannot be seen yet; it is tried again")

// Ensure makes the role that want asks for exist and be as it asks, and returns
// it. id is the role's unique id if it is known, "" if not: then the role is
// created, and only read if that finds it there. A role that is not this
// identity's is never changed. One that was created is returned beside an error,
// too, if it could not be filled. Errors are *identity.StepError or
// *identity.InvalidError; identity.ErrRoleGone is among them for a known id.
func (p *Provisioner) Ensure(ctx context.Context, want identity.Desired, id string) (identity.Role, error) {
	if err := p.Disabled(); err != nil {
		return identity.Role{}, err
	}
	s, err := p.spec(ctx, want)
	if err != nil {
		return identity.Role{}, failed(roleName(p.ClusterName, want.Key), err)
	}
	role, err := p.ensure(ctx, s, id)
	if role.ID != "" {
		p.census.made(p.ClusterName, s.name)
	}
	if err != nil {
		return role, failed(s.name, err)
	}
	return role, nil
}

func (p *Provisioner) ensure(ctx context.Context, s spec, id string) (identity.Role, error) {
	if id != "" {
		have, err := p.read(ctx, s.name)
		if isMissing(err) {
			return identity.Role{}, identity.ErrRoleGone
		}
		return p.match(ctx, s, have, id, err)
	}
	created, err := p.create(ctx, s)
	if isTaken(err) {
		have, failure := p.read(ctx, s.name)
		switch {
		case isMissing(failure):
			return identity.Role{}, errNotVisible
		case awserr.IsDenied(failure):
			return identity.Role{}, notOwned(s.name, "it is where the controller may not look, so it was not made by it")
		}
		return p.match(ctx, s, have, "", failure)
	}
	return created, err
}

// create makes the role and fills it: two writes and no read for a role with
// an inline policy.
func (p *Provisioner) create(ctx context.Context, s spec) (identity.Role, error) {
	if err := p.admit(ctx, s); err != nil {
		return identity.Role{}, err
	}
	out, err := p.iam.CreateRole(ctx, &iam.CreateRoleInput{
		RoleName: &s.name, Path: &s.path, AssumeRolePolicyDocument: &s.trust, Description: &s.description,
		MaxSessionDuration: &s.session, PermissionsBoundary: optional(s.boundary), Tags: toTags(s.allTags()),
	})
	if err != nil {
		if _, _, answered := awserr.Answer(err); answered && !isTaken(err) {
			p.census.gone(p.ClusterName, s.name) // it was counted for nothing
		}
		return identity.Role{}, err
	}
	if out.Role == nil {
		return identity.Role{}, errors.New("IAM answered without the role")
	}
	role, err := describe(out.Role, true)
	if err != nil {
		return identity.Role{}, err
	}
	return role, p.fill(ctx, s)
}

// fill grants a new role what it is to have.
func (p *Provisioner) fill(ctx context.Context, s spec) error {
	if s.policy != "" {
		if err := p.putPolicy(ctx, s); err != nil {
			return err
		}
	}
	for _, arn := range s.managed {
		if err := p.attach(ctx, s.name, arn); err != nil {
			return err
		}
	}
	return nil
}

// match makes a role that was read match s, if it is ours.
func (p *Provisioner) match(ctx context.Context, s spec, have *types.Role, id string, failure error) (identity.Role, error) {
	if failure != nil {
		return identity.Role{}, failure
	}
	if err := p.owned(s.key, have, id, s.uid); err != nil {
		return identity.Role{}, err
	}
	if aws.ToString(have.Path) != s.path {
		return identity.Role{}, fmt.Errorf("it is at the path %s, not %s, and paths cannot be changed: delete the role, or set --role-path to where it is",
			aws.ToString(have.Path), s.path)
	}
	role, err := describe(have, false)
	if err != nil {
		return role, err
	}
	s = p.settleTrust(ctx, s, have, &role)
	role.Changed, err = p.correct(ctx, s, have)
	if !s.look {
		tellRenewed(&role)
	}
	return role, err
}

// owned returns an error unless a role is the identity's: by its tags, and by
// its id where that is known, since somebody else may have recreated it. uid is the
// cluster's: a role that has none was made before that was known.
func (p *Provisioner) owned(key identity.Key, have *types.Role, id, uid string) error {
	name := aws.ToString(have.RoleName)
	other, tagged := toMap(have.Tags)[api.ClusterUIDTag]
	switch {
	case name != roleName(p.ClusterName, key):
		return notOwned(name, "its name differs in case from the one that is wanted, and IAM takes both for one")
	case !carries(toMap(have.Tags), ownTags(p.ClusterName, key)):
		return notOwned(name, "its tags do not say so")
	case tagged && uid != "" && other != uid && other != p.AdoptUID:
		return &identity.StepError{
			Reason:  api.RoleNotOwned,
			Message: fmt.Sprintf("Role '%s' exists and is that of another cluster of this one's name; nothing in it was changed. %s", name, p.another(name, other, uid)),
			Err:     errForeign,
		}
	case id != "" && id != aws.ToString(have.RoleId):
		return notOwned(name, "it was deleted and created again by somebody else")
	}
	return nil
}

func (p *Provisioner) read(ctx context.Context, name string) (*types.Role, error) {
	out, err := p.iam.GetRole(ctx, &iam.GetRoleInput{RoleName: &name})
	if err != nil {
		return nil, err
	}
	if out.Role == nil {
		return nil, errors.New("IAM answered without the role")
	}
	if p.deleted.has(aws.ToString(out.Role.RoleId)) {
		return nil, errDeleted
	}
	return out.Role, nil
}

func describe(r *types.Role, created bool) (identity.Role, error) {
	arn, err := identity.ParseRole(aws.ToString(r.Arn))
	if err != nil || !arn.Resolved() {
		return identity.Role{}, fmt.Errorf("IAM answered with %s for an ARN", identity.Quote(aws.ToString(r.Arn)))
	}
	return identity.Role{ARN: arn, ID: aws.ToString(r.RoleId), Created: created, Since: aws.ToTime(r.CreateDate)}, nil
}

func isMissing(err error) bool {
	var missing *types.NoSuchEntityException
	return errors.As(err, &missing)
}

func isOverQuota(err error) bool {
	var limit *types.LimitExceededException
	return errors.As(err, &limit)
}

func isTaken(err error) bool {
	var taken *types.EntityAlreadyExistsException
	return errors.As(err, &taken)
}

// optional returns nil for an empty string.
func optional(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}
