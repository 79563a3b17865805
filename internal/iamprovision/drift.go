package iamprovision

import (
	"context"

	"kube-aws-iam-controller/internal/identity"
)

// missingKind stands for the whole role.
const missingKind = "role"

// Differs reads the role that want asks for, writes nothing, and returns it: what
// of it is not as it should be as Changed, and whether Ensure would renew its trust
// policy. id is its unique id. Errors are *identity.StepError.
func (p *Provisioner) Differs(ctx context.Context, want identity.Desired, id string) (identity.Role, error) {
	s, err := p.spec(ctx, want)
	if err != nil {
		return identity.Role{}, failed(roleName(p.ClusterName, want.Key), err)
	}
	s.look = true
	have, err := p.read(ctx, s.name)
	if isMissing(err) {
		return identity.Role{Changed: []string{missingKind}}, nil
	}
	role, err := p.match(ctx, s, have, id, err)
	if err != nil {
		return identity.Role{}, failed(s.name, err)
	}
	return role, nil
}
