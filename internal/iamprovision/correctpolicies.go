package iamprovision

import (
	"context"
	"slices"
)

// policyChanges are what the policies of a role lack and have too much.
type policyChanges struct {
	detach, attach []string // ARNs
	remove         []string // names of inline policies
	put            bool
}

// correctPolicies makes the policies of a role match s, and returns what differed;
// beside an error, what no longer does. All that is foreign goes before anything is
// granted, and the inline policy is written before policies are attached: that also
// takes away what somebody else wrote into it, and one that does not exist cannot
// be attached.
func (p *Provisioner) correctPolicies(ctx context.Context, s spec) ([]string, error) {
	change, err := p.policyChanges(ctx, s)
	if err != nil || s.look {
		return change.kinds(), err
	}
	var done policyChanges
	for _, arn := range change.detach {
		if err = p.detach(ctx, s.name, arn); err != nil {
			return done.kinds(), err
		}
		done.detach = append(done.detach, arn)
	}
	for _, name := range change.remove {
		if err = p.deletePolicy(ctx, s.name, name); err != nil {
			return done.kinds(), err
		}
		done.remove = append(done.remove, name)
	}
	if change.put {
		if err = p.putPolicy(ctx, s); err != nil {
			return done.kinds(), err
		}
		done.put = true
	}
	for _, arn := range change.attach {
		if err = p.attach(ctx, s.name, arn); err != nil {
			return done.kinds(), err
		}
	}
	return change.kinds(), nil
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
	var want []string
	if s.policy != "" {
		want = []string{policyName}
	}
	c = policyChanges{
		detach: without(attached, s.managed), attach: without(s.managed, attached),
		remove: without(names, want), put: len(without(want, names)) > 0,
	}
	if s.policy != "" && !c.put {
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
	if len(c.remove) > 0 || c.put {
		kinds = append(kinds, inlineKind)
	}
	return kinds
}

// without returns what is in all and not in some.
func without(all, some []string) []string {
	return slices.DeleteFunc(slices.Clone(all), func(one string) bool { return slices.Contains(some, one) })
}
