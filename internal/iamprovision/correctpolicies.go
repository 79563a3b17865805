package iamprovision

import (
	"context"
	"slices"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam"

	"kube-aws-iam-controller/internal/identity"
)

// policyChanges is the difference between the policies of a role and its
// specification.
type policyChanges struct {
	attached       int
	attach, detach []string // ARNs
	foreign        []string // names of inline policies other than policyName
	put, remove    bool     // the inline policy policyName
}

// correctPolicies makes the policies of a role match s, and returns what differed;
// together with an error, what was corrected nevertheless.
//
// Foreign inline policies are removed first, because nobody requested them at any
// time. Then follow additions, and removals last: an attached policy that is no
// longer requested nearly always was requested before, and running pods use it.
// They have no gap between the two, and keep it if IAM refuses the addition.
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

// attachMissing detaches unwanted policies one at a time if the role's quota is
// reached, provided that this can be sufficient: a full role must not have fewer
// policies than are requested.
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

// policyChanges reads the policies of a role and compares them with s.
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

// kinds returns the names of the changes for events and metrics.
func (c policyChanges) kinds() (kinds []string) {
	if len(c.detach)+len(c.attach) > 0 {
		kinds = append(kinds, managedKind)
	}
	if len(c.foreign) > 0 || c.put || c.remove {
		kinds = append(kinds, inlineKind)
	}
	return kinds
}

// difference returns the elements of all that are not in some.
func difference(all, some []string) []string {
	return slices.DeleteFunc(slices.Clone(all), func(one string) bool { return slices.Contains(some, one) })
}

// hasPolicy reports whether the inline policy is equivalent to the specified one.
func (p *Provisioner) hasPolicy(ctx context.Context, s spec) (bool, error) {
	out, err := p.iam.GetRolePolicy(ctx, &iam.GetRolePolicyInput{RoleName: &s.name, PolicyName: new(policyName)})
	if isMissing(err) {
		return false, nil // deleted since it was listed
	}
	if err != nil {
		return false, err
	}
	return samePolicy(identity.IdentityPolicy, aws.ToString(out.PolicyDocument), s.policy), nil
}
