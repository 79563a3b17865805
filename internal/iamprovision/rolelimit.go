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

// maxOwnershipReads limits how many roles are read to determine which cluster the
// path belongs to. Roles that predate the cluster UID tag do not tell.
const maxOwnershipReads = 3

// reserve returns an error if a role must not be created, because its namespace has
// reached the limit or the path belongs to another cluster. Otherwise the role is
// counted. A role that is counted already needs no place. A refusal is based on a
// list at most recountAfter old.
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
	if refused, known := p.tryReserve(s, time.Now()); known { // the list was made while waiting
		return refused
	}
	if err := p.recount(limit.ForAll(ctx), s.clusterUID); err != nil {
		return err
	}
	refused, _ := p.tryReserve(s, time.Now())
	return refused
}

// tryReserve decides from the inventory. It returns why a role must not be created,
// or nil and counts the role; known is false if the roles have to be listed first.
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
		return &identity.StepError{Reason: api.RoleNotOwned, Message: fmt.Sprintf("Role '%s' was not created: %s", s.name, foreign), Err: errOtherCluster}, age < recountAfter
	case full:
		return p.limitError(s), age < recountAfter
	}
	return nil, true
}

var (
	errOtherCluster = errors.New("the path is another cluster's")
	errLimitReached = errors.New("the namespace has as many roles as it may")
)

// limitError reports how many roles the namespace has, and how many of them no
// ServiceAccount requests.
func (p *Provisioner) limitError(s spec) error {
	left := map[string]bool{}
	for _, name := range p.inventory.rolesOf(p.ClusterName, s.key.Namespace) {
		left[name] = true
	}
	all := len(left)
	if p.Owners != nil {
		for key := range p.Owners() {
			if key.Namespace == s.key.Namespace {
				delete(left, RoleName(p.ClusterName, key))
			}
		}
	}
	return &identity.StepError{
		Reason: api.ProvisionFailed,
		Message: fmt.Sprintf("Role '%s' was not created: the namespace %s already has %d managed roles, %d of them retained or no longer requested by a ServiceAccount, "+
			"and --max-roles-per-namespace=%d allows no more. Delete unneeded roles under %s, or have the controller's administrator raise the limit",
			s.name, s.key.Namespace, all, len(left), p.MaxPerNamespace, p.Path),
		Err: errLimitReached,
	}
}

// recount lists the roles under the path and determines which cluster they belong
// to. If the controller is not allowed to list roles, only those that this process
// creates are counted.
func (p *Provisioner) recount(ctx context.Context, uid string) error {
	roles, err := p.list(ctx)
	if awserr.IsDenied(err) {
		level.Warn(p.Logger).Log("msg", "existing roles cannot be counted, so --max-roles-per-namespace counts only those that this process creates: allow iam:ListRoles",
			"err", awserr.Describe(err))
		p.inventory.setUnlistable(time.Now())
		return nil
	}
	if err != nil {
		return awserr.About("the list of the roles under "+p.Path, err)
	}
	return p.determineOwner(ctx, uid, roles)
}
