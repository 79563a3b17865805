// Package externalid checks that roles enforce their external ID. Otherwise, whoever
// can name a role in any namespace of the cluster could use it, and the controller
// would be a confused deputy:
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

// checkLasts is how long a check is trusted: the owner of the role can drop the
// condition at any time.
const checkLasts = 24 * time.Hour

// Sessions probes roles.
type Sessions interface {
	// Account returns the partition and account of the controller itself.
	Account(ctx context.Context) (identity.BaseRole, error)
	// Resolve returns the role that want requests.
	Resolve(ctx context.Context, want identity.Desired) (identity.RoleReference, error)
	// EnforcesExternalID reports whether the role refuses to be assumed with another
	// external ID. An error means that this is not known.
	EnforcesExternalID(ctx context.Context, want identity.Desired) (bool, error)
}

// A Checker checks roles, and remembers which ones it has checked. Create it with New.
type Checker struct {
	sessions Sessions
	require  identity.ExternalIDCheck
	logger   log.Logger

	mu     sync.Mutex
	checks map[identity.Key]check
}

// check says which role was seen to refuse another external ID, and when.
type check struct {
	role string
	at   time.Time
}

// New returns a Checker for the roles that are required to enforce their external ID.
func New(sessions Sessions, require identity.ExternalIDCheck, logger log.Logger) *Checker {
	return &Checker{sessions: sessions, require: require, logger: logger, checks: map[identity.Key]check{}}
}

// Begin forgets everything.
func (c *Checker) Begin() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.checks = map[identity.Key]check{}
}

// Forget drops the memory of an identity.
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

// Check checks that an existing role enforces its external ID, if that is required, and
// returns when the role was last seen to.
//
// The time is kept on the Secret, for people, and to recognize what was issued before
// checks were required. It is not trusted, because tenants write Secrets, under any
// name. So each process checks a role again at the first renewal, which does not affect
// fresh credentials. If STS does not answer, a role that has passed still passes, and
// any other does not.
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

// mayRequire reports whether any role that want could request has to be checked.
// AWSIAMRoles worked with the predecessor, which had no external ID, so theirs are
// checked only if all roles are.
func (c *Checker) mayRequire(want identity.Desired) bool {
	return c.require == identity.CheckAll ||
		c.require == identity.CheckOtherAccounts && want.Source == identity.ServiceAccount
}

// requires reports whether a role has to be checked: any role, or only one of another
// account than the controller's own. There, a role often trusts the controller's whole
// account, or accepts any external ID, and nobody in this account can fix that. The
// controller's own account is that of the principal in trust policies, wherever role
// names are resolved.
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

// Reissue reports whether fresh credentials of an existing role have to be reissued
// because the role was not checked when they were issued. Unless all roles are checked,
// which is not the default, an upgrade renews nothing for that reason.
func (c *Checker) Reissue(have refresh.State) bool {
	return c.require == identity.CheckAll && have.Proven.IsZero()
}

// Revokes reports whether the credentials of a role that does not enforce its external
// ID are removed. Credentials of an earlier version, which did not require that, stay
// until they expire, unless it is required of all roles: an upgrade takes nothing away.
// There is no further grace period, because only the Secret, which tenants write, could
// say who was served before.
func (c *Checker) Revokes(want identity.Desired, have refresh.State) bool {
	if have.Edited {
		return true
	}
	return have.SpecHash == want.SpecHash() && (c.require == identity.CheckAll || !have.Proven.IsZero())
}

// Confirm repeats the check of a role that was checked just now, after it could be
// assumed: a role that is not visible everywhere yet refuses everybody.
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

// enforces returns an error unless STS refuses to let a role be assumed with another
// external ID.
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
