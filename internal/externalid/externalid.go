// Package externalid checks that roles enforce their external ID. Without that, whoever
// can name a role in any namespace of the cluster could use it: the controller would be
// a confused deputy, see
// https://docs.aws.amazon.com/IAM/latest/UserGuide/confused-deputy.html.
package externalid

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/go-kit/log"
	"github.com/go-kit/log/level"

	"kube-aws-iam-controller/internal/api"
	"kube-aws-iam-controller/internal/identity"
	"kube-aws-iam-controller/internal/refresh"
)

// checkLasts is how long a role is believed to enforce its external ID: its owner can
// drop the condition any day.
const checkLasts = 24 * time.Hour

// Sessions tries roles.
type Sessions interface {
	// Account returns the partition and account that the controller itself is in.
	Account(ctx context.Context) (identity.BaseRole, error)
	// Resolve returns the role that is meant.
	Resolve(ctx context.Context, want identity.Desired) (identity.RoleReference, error)
	// EnforcesExternalID returns whether the role refuses to be assumed under another
	// external ID; an error says that this is not known.
	EnforcesExternalID(ctx context.Context, want identity.Desired) (bool, error)
}

// A Checker checks roles, and remembers which it has checked. Create it with New.
type Checker struct {
	sessions Sessions
	require  identity.ExternalIDCheck
	logger   log.Logger

	mu     sync.Mutex
	checks map[identity.Key]check
}

// check says when which role was seen to refuse another external ID.
type check struct {
	role string
	at   time.Time
}

// New returns a Checker of the roles that are required to enforce their external ID.
func New(sessions Sessions, require identity.ExternalIDCheck, logger log.Logger) *Checker {
	return &Checker{sessions: sessions, require: require, logger: logger, checks: map[identity.Key]check{}}
}

// Begin forgets everything.
func (c *Checker) Begin() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.checks = map[identity.Key]check{}
}

// Forget drops what is remembered of an identity.
func (c *Checker) Forget(key identity.Key) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.checks, key)
}

func (c *Checker) note(key identity.Key, seen check) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.checks[key] = seen
}

// checkedAt returns when the role of an identity was checked, the zero Time for never.
func (c *Checker) checkedAt(key identity.Key, role string) time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	if seen := c.checks[key]; seen.role == role {
		return seen.at
	}
	return time.Time{}
}

// Check makes sure that an existing role enforces its external ID, where that is
// required, and returns when it was last seen to.
//
// The time is kept on the Secret, for people, and to know what was issued before checks
// were required. It is not believed: tenants write Secrets, under any name. So each
// process checks a role again at the first renewal, which costs nothing of what is
// fresh. What STS does not answer turns neither a yes into a no nor a no into a yes.
func (c *Checker) Check(ctx context.Context, want identity.Desired) (time.Time, error) {
	if !c.mayRequire(want) {
		return time.Time{}, nil
	}
	role, err := c.sessions.Resolve(ctx, want)
	if err != nil {
		return time.Time{}, identity.NotAssumed(want, err)
	}
	required, err := c.requires(ctx, role)
	if err != nil || !required {
		return time.Time{}, err
	}
	now, checked := time.Now(), c.checkedAt(want.Key, role.String())
	if now.Sub(checked) < checkLasts-want.SessionDuration { // it outlasts the session
		return checked, nil
	}
	err = c.enforces(ctx, want, role.String())
	if err != nil && !checked.IsZero() && identity.ReasonOf(err) != api.ExternalIDNotEnforced {
		level.Warn(c.logger).Log("msg", "external ID check did not complete, keeping the previous result", "object", want.Key, "role", role, "err", err)
		return checked, nil
	}
	return now, err
}

// mayRequire returns whether any role that want could ask for has to be checked.
// Those of AWSIAMRoles worked with the predecessor, which had no external ID: they are
// checked only with all.
func (c *Checker) mayRequire(want identity.Desired) bool {
	return c.require == identity.CheckAll ||
		c.require == identity.CheckOtherAccounts && want.Source == identity.ServiceAccount
}

// requires returns whether a role has to be checked: any, or one of another
// account than the controller's own. There a role often trusts the controller's whole
// account, or takes any external ID, and nobody in this account can mend that. It is
// the account of the principal that trust policies name, wherever names of roles are
// looked up.
func (c *Checker) requires(ctx context.Context, role identity.RoleReference) (bool, error) {
	if c.require == identity.CheckAll {
		return true, nil
	}
	own, err := c.sessions.Account(ctx)
	if err != nil {
		return false, err
	}
	return role.Partition != own.Partition || role.Account != own.Account, nil
}

// Reissue returns whether fresh credentials of an existing role are to be issued anew
// because the role was not checked when they were. With less than all, which is the
// default, an upgrade renews nothing for that.
func (c *Checker) Reissue(have refresh.State) bool {
	return c.require == identity.CheckAll && have.Proven.IsZero()
}

// Revokes returns whether credentials are removed of a role that does not
// enforce its external ID. What was issued by an earlier version, which did not require
// that, lives until it runs out, unless it is required of all roles: an upgrade takes
// nothing away. There is no grace beyond that, because nothing but the Secret, which
// tenants write, would say who was served before and could claim it.
func (c *Checker) Revokes(want identity.Desired, have refresh.State) bool {
	if have.Edited {
		return true
	}
	return have.SpecHash == want.SpecHash() && (c.require == identity.CheckAll || !have.Proven.IsZero())
}

// Confirm checks a role that was checked just now once more, after it could
// be assumed: a role that is not seen everywhere yet refuses everybody.
func (c *Checker) Confirm(ctx context.Context, want identity.Desired, role string) error {
	if want.Proven.IsZero() || want.Proven.Equal(c.checkedAt(want.Key, role)) {
		return nil
	}
	if err := c.enforces(ctx, want, role); err != nil {
		return err
	}
	c.note(want.Key, check{role: role, at: want.Proven})
	return nil
}

// enforces returns an error unless STS refuses to let a role be assumed under
// another external ID.
func (c *Checker) enforces(ctx context.Context, want identity.Desired, role string) error {
	switch refuses, err := c.sessions.EnforcesExternalID(ctx, want); {
	case err != nil:
		return identity.NotAssumed(want, fmt.Errorf("see whether it asks for its external ID: %w", err))
	case refuses:
		return nil
	}
	c.Forget(want.Key)
	return &identity.StepError{
		Reason: api.ExternalIDNotEnforced,
		Message: fmt.Sprintf("role '%s' can be assumed under any external ID, so every namespace could use it: add the condition sts:ExternalId %s to its trust policy, as printed by the command trust-policy",
			role, identity.Quote(want.ExternalID)),
	}
}
