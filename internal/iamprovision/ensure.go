package iamprovision

import (
	"context"
	"errors"

	"github.com/aws/aws-sdk-go-v2/service/iam"

	"kube-aws-iam-controller/internal/api"
	"kube-aws-iam-controller/internal/awserr"
	"kube-aws-iam-controller/internal/identity"
)

// policyName is the name of the inline policy.
const policyName = api.ControllerName

// errNotVisible is returned for a role that exists according to IAM but is not
// shown yet.
var errNotVisible = errors.New("the role exists, but cannot be seen yet; it is tried again")

// Ensure makes the managed role that want requests exist and match the request, and
// returns it. id is its unique ID, "" if unknown: then the role is created, and
// read only if it exists. A role that belongs to somebody else is never changed. A
// role that was created but could not be completed is returned together with the
// error. Errors are *identity.StepError or *identity.InvalidError, and wrap
// identity.ErrRoleGone if the role with a known id does not exist.
func (p *Provisioner) Ensure(ctx context.Context, want identity.Desired, id string) (identity.Role, error) {
	if err := p.Disabled(); err != nil {
		return identity.Role{}, err
	}
	s, err := p.spec(ctx, want)
	if err != nil {
		return identity.Role{}, provisionError(RoleName(p.ClusterName, want.Key), err)
	}
	role, err := p.ensure(ctx, s, id)
	if role.ID != "" {
		p.inventory.add(p.ClusterName, s.name)
	}
	if err != nil {
		return role, provisionError(s.name, err)
	}
	return role, nil
}

func (p *Provisioner) ensure(ctx context.Context, s spec, id string) (identity.Role, error) {
	if id != "" {
		have, err := p.get(ctx, s.name)
		if isMissing(err) {
			return identity.Role{}, identity.ErrRoleGone
		}
		return p.reconcile(ctx, s, have, id, err)
	}
	created, err := p.create(ctx, s)
	if isAlreadyExists(err) {
		have, failure := p.get(ctx, s.name)
		switch {
		case isMissing(failure):
			return identity.Role{}, errNotVisible
		case awserr.IsDenied(failure):
			return identity.Role{}, notOwned(s.name, "it is where the controller may not look, so it was not made by it")
		}
		return p.reconcile(ctx, s, have, "", failure)
	}
	return created, err
}

// create creates the role and its policies: two writes and no read for a role with
// an inline policy.
func (p *Provisioner) create(ctx context.Context, s spec) (identity.Role, error) {
	if err := p.reserve(ctx, s); err != nil {
		return identity.Role{}, err
	}
	out, err := p.iam.CreateRole(ctx, &iam.CreateRoleInput{
		RoleName: &s.name, Path: &s.path, AssumeRolePolicyDocument: &s.trust, Description: &s.description,
		MaxSessionDuration: &s.session, PermissionsBoundary: nilIfEmpty(s.boundary), Tags: toTags(s.createTags()),
	})
	if err != nil {
		if _, _, answered := awserr.Answer(err); answered && !isAlreadyExists(err) {
			p.inventory.remove(p.ClusterName, s.name) // release the reservation
		}
		return identity.Role{}, err
	}
	if out.Role == nil {
		return identity.Role{}, errors.New("IAM answered without the role")
	}
	role, err := toRole(out.Role, true)
	if err != nil {
		return identity.Role{}, err
	}
	return role, p.fill(ctx, s)
}

// fill adds the policies to a new role.
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

// nilIfEmpty returns nil for an empty string, otherwise a pointer to it.
func nilIfEmpty(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}
