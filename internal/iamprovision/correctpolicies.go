package iamprovision

import (
	"context"
	"slices"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam"

	"kube-aws-iam-controller/internal/identity"
)

// policyChanges are what the policies of a role lack and have too much.
type policyChanges struct {
	attached       int
	attach, detach []string // ARNs
	foreign        []string // names of inline policies that are not ours
	put, remove    bool     // ours
}

// correctPolicies makes the policies of a role match s, and returns what differed;
// beside an error, what no longer does.
//
// Inline policies of others go first: nobody asked for them, ever. Then comes what
// grants, and last what takes away. For what is attached, and is not asked for any
// more, is nearly always what was asked for before: running pods use it. They have
// no gap between the two, and keep it where IAM refuses the new.
func (p *Provisioner) correctPolicies(ctx context.Context, s spec) ([]string, error) {
	change, err := p.policyChanges(ctx, s)
	if err != nil || s.dryRun {
		return change.kinds(), err
	}
	done := &policyChanges{}
	for _, step := range []func() error{
		func() error { return p.removeForeignInline(ctx, s, change, done) },
		func() error { return p.attachMissing(ctx, s, &change, done) },
		func() error { return p.putInline(ctx, s, change, done) },
		func() error { return p.detachUnwanted(ctx, s, change, done) },
		func() error { return p.removeInline(ctx, s, change, done) },
	} {
		if err = step(); err != nil {
			break
		}
	}
	return done.kinds(), err
}

func (p *Provisioner) removeForeignInline(ctx context.Context, s spec, change policyChanges, done *policyChanges) error {
	for _, name := range change.foreign {
		if err := p.deletePolicy(ctx, s.name, name); err != nil {
			return err
		}
		done.foreign = append(done.foreign, name)
	}
	return nil
}

// attachMissing makes room where the role's quota leaves none, one at a time, if
// that can be enough: a role that is full has as many as it may have.
func (p *Provisioner) attachMissing(ctx context.Context, s spec, change, done *policyChanges) error {
	for _, arn := range change.attach {
		err := p.attach(ctx, s.name, arn)
		full := change.attached + len(done.attach) - len(done.detach)
		for isOverQuota(err) && len(change.detach) > 0 && len(s.managed) <= full {
			rest := policyChanges{detach: change.detach[:1]}
			if err = p.detachUnwanted(ctx, s, rest, done); err != nil {
				return err
			}
			change.detach = change.detach[1:]
			err = p.attach(ctx, s.name, arn)
		}
		if err != nil {
			return err
		}
		done.attach = append(done.attach, arn)
	}
	return nil
}

func (p *Provisioner) putInline(ctx context.Context, s spec, change policyChanges, done *policyChanges) error {
	if !change.put {
		return nil
	}
	if err := p.putPolicy(ctx, s); err != nil {
		return err
	}
	done.put = true
	return nil
}

func (p *Provisioner) detachUnwanted(ctx context.Context, s spec, change policyChanges, done *policyChanges) error {
	for _, arn := range change.detach {
		if err := p.detach(ctx, s.name, arn); err != nil {
			return err
		}
		done.detach = append(done.detach, arn)
	}
	return nil
}

func (p *Provisioner) removeInline(ctx context.Context, s spec, change policyChanges, done *policyChanges) error {
	if !change.remove {
		return nil
	}
	if err := p.deletePolicy(ctx, s.name, policyName); err != nil {
		return err
	}
	done.remove = true
	return nil
}

// policyChanges reads what the policies of a role are, and compares.
func (p *Provisioner) policyChanges(ctx context.Context, s spec) (c policyChanges, err error) {
	attached, err := p.attached(ctx, s.name)
	if err != nil {
		return c, err
	}
	names, err := p.inline(ctx, s.name)
	if err != nil {
		return c, err
	}
	has := slices.Contains(names, policyName)
	c = policyChanges{
		attached: len(attached), attach: difference(s.managed, attached), detach: difference(attached, s.managed),
		foreign: difference(names, []string{policyName}),
		put:     s.policy != "" && !has, remove: s.policy == "" && has,
	}
	if s.policy != "" && has {
		same, err := p.hasPolicy(ctx, s)
		if err != nil {
			return policyChanges{}, err
		}
		c.put = !same
	}
	return c, nil
}

// kinds returns how events and metrics name the changes.
func (c policyChanges) kinds() (kinds []string) {
	if len(c.detach)+len(c.attach) > 0 {
		kinds = append(kinds, managedKind)
	}
	if len(c.foreign) > 0 || c.put || c.remove {
		kinds = append(kinds, inlineKind)
	}
	return kinds
}

// without returns what is in all and not in some.
func difference(all, some []string) []string {
	return slices.DeleteFunc(slices.Clone(all), func(one string) bool { return slices.Contains(some, one) })
}

// hasPolicy says whether the inline policy means what it should.
func (p *Provisioner) hasPolicy(ctx context.Context, s spec) (bool, error) {
	out, err := p.iam.GetRolePolicy(ctx, &iam.GetRolePolicyInput{RoleName: &s.name, PolicyName: new(policyName)})
	if isMissing(err) {
		return false, nil // gone since it was listed
	}
	if err != nil {
		return false, err
	}
	return samePolicy(identity.IdentityPolicy, aws.ToString(out.PolicyDocument), s.policy), nil
}
