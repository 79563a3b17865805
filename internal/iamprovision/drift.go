package iamprovision

import (
	"context"

	"kube-aws-iam-controller/internal/identity"
)

// missingKind stands for the whole role.
const missingKind = "role"

// Differs reads the role that want asks for, writes nothing, and returns what
// of it is not as it should be, nil if all is. id is its unique id. Errors are
// *identity.StepError.
func (p *Provisioner) Differs(ctx context.Context, want identity.Desired, id string) ([]string, error) {
	s, err := p.spec(ctx, want)
	if err != nil {
		return nil, failed(roleName(p.ClusterName, want.Key), err)
	}
	s.look = true
	have, err := p.read(ctx, s.name)
	if isMissing(err) {
		return []string{missingKind}, nil
	}
	role, err := p.match(ctx, s, have, id, err)
	if err != nil {
		return nil, failed(s.name, err)
	}
	return role.Changed, nil
}
