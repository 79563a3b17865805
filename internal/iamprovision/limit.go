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
const maxOwnershipReads = 3

// admit returns an error if a role may not be made: its namespace has as many as it
// may, or the path is another cluster's. A role that is counted already is not a new
// one. What is refused is counted again before long.
func (p *Provisioner) reserve(ctx context.Context, s spec) error {
	if p.MaxPerNamespace == 0 && s.clusterUID == "" {
		return nil
	}
	if refused, known := p.tryReserve(s, time.Now()); known {
		return refused
	}
	c := p.inventory
	select {
	case c.listing <- struct{}{}:
		defer func() { <-c.listing }()
	case <-ctx.Done():
		return ctx.Err()
	}
	if refused, known := p.tryReserve(s, time.Now()); known { // by who had the turn before
		return refused
	}
	if err := p.recount(limit.ForAll(ctx), s.clusterUID); err != nil {
		return err
	}
	refused, _ := p.tryReserve(s, time.Now())
	return refused
}

// refusal returns why a role may not be made, nil if it may, which it is counted for
// then; and whether the count is good enough to say so.
func (p *Provisioner) tryReserve(s spec, now time.Time) (refused error, known bool) {
	c := p.inventory
	c.mu.Lock()
	age := now.Sub(c.listedAt)
	known = !c.listedAt.IsZero() && (c.ownerKnown || s.clusterUID == "")
	_, there := c.names[s.name]
	foreign, full := c.otherCluster, p.MaxPerNamespace > 0 && c.counts[namespaceScope(s.key.Namespace)] >= p.MaxPerNamespace
	if known && !there && foreign == "" && !full {
		c.addLocked(p.ClusterName, s.name, now)
	}
	c.mu.Unlock()
	switch {
	case there || !known:
		return nil, known
	case foreign != "":
		return &identity.StepError{Reason: api.RoleNotOwned, Message: fmt.Sprintf("Role '%s' was not made: %s", s.name, foreign), Err: errOtherCluster}, age < recountAfter
	case full:
		return p.limitError(s), age < recountAfter
	}
	return nil, true
}

var (
	errOtherCluster = errors.New("the path is another cluster's")
	errLimitReached = errors.New("the namespace has as many roles as it may")
)

// overLimit says that a namespace has as many roles as it may, and how many of them
// nobody asks for.
func (p *Provisioner) limitError(s spec) error {
	left := map[string]bool{}
	for _, name := range p.inventory.rolesOf(p.ClusterName, s.key.Namespace) {
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
		Err: errLimitReached,
	}
}

// count lists the roles under our path and finds out whose it is. An installation
// whose policy does not let it list goes by what this process makes itself.
func (p *Provisioner) recount(ctx context.Context, uid string) error {
	roles, err := p.list(ctx)
	if awserr.IsDenied(err) {
		level.Warn(p.Logger).Log("msg", "the roles that were made before cannot be counted, so --max-roles-per-namespace counts only those that this process makes: allow iam:ListRoles",
			"err", awserr.Describe(err))
		p.inventory.setUnlistable(time.Now())
		return nil
	}
	if err != nil {
		return awserr.About("the list of the roles under "+p.Path, err)
	}
	return p.determineOwner(ctx, uid, roles)
}
