package iamprovision

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/go-kit/log/level"

	"kube-aws-iam-controller/internal/api"
	"kube-aws-iam-controller/internal/awserr"
	"kube-aws-iam-controller/internal/identity"
	"kube-aws-iam-controller/internal/limit"
)

// looked is how many roles are read to learn whose a path is. Those that were made
// before roles had the tag of the cluster's UID tell nothing.
const looked = 3

// admit returns an error if a role may not be made: its namespace has as many as it
// may, or the path is another cluster's. A role that is counted already is not a new
// one. What is refused is counted again before long.
func (p *Provisioner) admit(ctx context.Context, s spec) error {
	if p.MaxPerNamespace == 0 && s.uid == "" {
		return nil
	}
	if refused, known := p.refusal(s, time.Now()); known {
		return refused
	}
	c := p.census
	select {
	case c.turn <- struct{}{}:
		defer func() { <-c.turn }()
	case <-ctx.Done():
		return ctx.Err()
	}
	if refused, known := p.refusal(s, time.Now()); known { // by who had the turn before
		return refused
	}
	if err := p.count(limit.ForAll(ctx), s.uid); err != nil {
		return err
	}
	refused, _ := p.refusal(s, time.Now())
	return refused
}

// refusal returns why a role may not be made, nil if it may, which it is counted for
// then; and whether the count is good enough to say so.
func (p *Provisioner) refusal(s spec, now time.Time) (refused error, known bool) {
	c := p.census
	c.mu.Lock()
	age := now.Sub(c.counted)
	known = !c.counted.IsZero() && (c.settled || s.uid == "")
	_, there := c.names[s.name]
	foreign, full := c.foreign, p.MaxPerNamespace > 0 && c.scopes[scopeOf(s.key.Namespace)] >= p.MaxPerNamespace
	if known && !there && foreign == "" && !full {
		c.add(p.ClusterName, s.name, now)
	}
	c.mu.Unlock()
	switch {
	case there || !known:
		return nil, known
	case foreign != "":
		return &identity.StepError{Reason: api.RoleNotOwned, Message: fmt.Sprintf("Role '%s' was not made: %s", s.name, foreign), Err: errForeign}, age < countAgain
	case full:
		return p.overLimit(s), age < countAgain
	}
	return nil, true
}

var (
	errForeign = errors.New("the path is another cluster's")
	errFull    = errors.New("the namespace has as many roles as it may")
)

// overLimit says that a namespace has as many roles as it may, and how many of them
// nobody asks for.
func (p *Provisioner) overLimit(s spec) error {
	left := map[string]bool{}
	for _, name := range p.census.of(p.ClusterName, s.key.Namespace) {
		left[name] = true
	}
	all := len(left)
	if p.Owners != nil {
		for key := range p.Owners() {
			if key.Namespace == s.key.Namespace {
				delete(left, roleName(p.ClusterName, key))
			}
		}
	}
	return &identity.StepError{
		Reason: api.ProvisionFailed,
		Message: fmt.Sprintf("Role '%s' was not made: the controller has made %d roles for the namespace %s, %d of them retained or otherwise without a ServiceAccount that asks for them, "+
			"and --max-roles-per-namespace=%d allows no more. Delete roles under %s that are not needed, or have whoever runs the controller raise the flag",
			s.name, all, s.key.Namespace, len(left), p.MaxPerNamespace, p.Path),
		Err: errFull,
	}
}

// count lists the roles under our path and finds out whose it is. An installation
// whose policy does not let it list goes by what this process makes itself.
func (p *Provisioner) count(ctx context.Context, uid string) error {
	roles, err := p.list(ctx)
	if awserr.IsDenied(err) {
		level.Warn(p.Logger).Log("msg", "the roles that were made before cannot be counted, so --max-roles-per-namespace counts only those that this process makes: allow iam:ListRoles",
			"err", awserr.Describe(err))
		p.census.unseen(time.Now())
		return nil
	}
	if err != nil {
		return awserr.About("the list of the roles under "+p.Path, err)
	}
	return p.settle(ctx, uid, roles)
}

// settle finds out whether the roles under our path, the newest first, are those of
// another cluster of this one's name.
func (p *Provisioner) settle(ctx context.Context, uid string, roles []listed) error {
	c := p.census
	c.mu.Lock()
	settled := c.ours || uid == ""
	c.mu.Unlock()
	if settled {
		return nil
	}
	foreign, err := p.foreign(ctx, uid, roles)
	if err != nil {
		return awserr.About("a role under "+p.Path, err)
	}
	c.belongs(foreign)
	if foreign != "" {
		level.Error(p.Logger).Log("msg", "no roles are made: "+foreign)
	}
	return nil
}

// foreign says whose roles are under our path, "" if they are this cluster's or tell
// nothing. One of this cluster's own is enough.
func (p *Provisioner) foreign(ctx context.Context, uid string, roles []listed) (string, error) {
	found, reads := "", 0
	for _, role := range roles {
		if _, ours := scope(p.ClusterName, role.name); !ours {
			continue
		}
		if reads++; reads > looked {
			break
		}
		have, err := p.read(ctx, role.name)
		if isMissing(err) || awserr.IsDenied(err) {
			continue
		}
		if err != nil {
			return "", err
		}
		tags := toMap(have.Tags)
		other, tagged := tags[api.ClusterUIDTag]
		switch {
		case !tagged || tags[api.ManagedByTag] != managedBy || tags[api.ClusterTag] != p.ClusterName:
		case other == uid || other == p.AdoptUID:
			return "", nil
		case found == "":
			found = fmt.Sprintf("the path %s is that of another cluster of the name %s. %s", p.Path, p.ClusterName, p.another(role.name, other, uid))
		}
	}
	return found, nil
}

// another says which cluster a role is of, and what to do about that.
func (p *Provisioner) another(role, other, uid string) string {
	return fmt.Sprintf("Role %s has the tag %s=%s, and this cluster's UID, that of its Namespace kube-system, is %s: "+
		"give one of the clusters another --cluster-name, or, if this one replaces the other, start its controller with --adopt-roles-of-cluster-uid=%s",
		role, api.ClusterUIDTag, identity.Cut(other), uid, identity.Cut(other))
}
