// Package refresh decides whether credentials are due for renewal, why, and when to
// check again. Its functions are pure; time is an argument.
package refresh

import (
	"hash/fnv"
	"time"

	"kube-aws-iam-controller/internal/identity"
)

// State is what a Secret's metadata says about the credentials in it.
type State struct {
	// Exists reports that the Secret exists and belongs to the controller. If it is
	// false, all other fields are zero.
	Exists bool
	// UID and ResourceVersion are those of the Secret.
	UID, ResourceVersion string
	// RoleARN is the role of the credentials, RoleID its unique ID if it is a
	// managed role.
	RoleARN, RoleID string
	// RoleUsed is when the managed role was last used, as far as that is known.
	RoleUsed identity.RoleUse
	// PolicyHash identifies the policies of the managed role, "" if they are not known: see
	// identity.ManagedRole.
	PolicyHash string
	// Proven is when the role was last seen to reject a wrong external ID, the zero
	// Time if never.
	Proven time.Time
	// Expiration is when the credentials expire, the zero Time if it cannot be
	// parsed.
	Expiration time.Time
	// Unreadable is an expiration that could not be parsed.
	Unreadable string
	// Session is the duration of the session, 0 if unknown.
	Session time.Duration
	// SessionPolicy is the policy that limits the session, "" for none. It is the one
	// that the credentials were issued under only if SpecHash covers it.
	SessionPolicy string
	// SpecHash identifies what the credentials were issued for, see
	// identity.Desired.
	SpecHash string
	// Edited reports that another client changed fields that belong to the
	// controller.
	Edited bool
}

// Valid reports whether the credentials have not expired.
func (s State) Valid(now time.Time) bool { return s.Exists && now.Before(s.Expiration) }

// UseOf returns what is recorded of the use of the role with a unique ID. It is known only
// of the role that the credentials belong to.
func (s State) UseOf(roleID string) identity.RoleUse {
	if s.RoleID != roleID {
		return identity.RoleUse{}
	}
	return s.RoleUsed
}

// A Reason is why credentials are due for renewal.
type Reason string

// The reasons, in the order of the rules.
const (
	Missing     Reason = "Missing"
	Unreadable  Reason = "Unreadable"
	SpecChanged Reason = "SpecChanged"
	Edited      Reason = "Edited"
	NearExpiry  Reason = "NearExpiry"
)

// rules are evaluated in order. The first one that holds is the reason.
var rules = []struct {
	reason Reason
	holds  func(now time.Time, want identity.Desired, have State, limit time.Duration) bool
}{
	// No Secret: pods are waiting.
	{Missing, func(_ time.Time, _ identity.Desired, have State, _ time.Duration) bool { return !have.Exists }},
	// The expiration or the role is unknown. This is also how Secrets of the
	// predecessor, which have no annotations, are adopted.
	{Unreadable, func(_ time.Time, _ identity.Desired, have State, _ time.Duration) bool {
		_, err := identity.ParseRole(have.RoleARN)
		return have.Expiration.IsZero() || err != nil
	}},
	// Role, duration, external ID or generation changed.
	{SpecChanged, func(_ time.Time, want identity.Desired, have State, _ time.Duration) bool {
		return have.SpecHash != want.SpecHash()
	}},
	// The contents of the Secret can no longer be trusted.
	{Edited, func(_ time.Time, _ identity.Desired, have State, _ time.Duration) bool { return have.Edited }},
	// Last, because the rules above ensure that the expiration is known.
	{NearExpiry, func(now time.Time, _ identity.Desired, have State, limit time.Duration) bool {
		return !now.Before(renewAt(have, limit))
	}},
}

// Due reports whether want needs new credentials, and why. Credentials are renewed
// when less than limit is left.
func Due(now time.Time, want identity.Desired, have State, limit time.Duration) (Reason, bool) {
	for _, r := range rules {
		if r.holds(now, want, have, limit) {
			return r.reason, true
		}
	}
	return "", false
}

// Next returns how long to wait until credentials that are not due become due, at
// least a second.
func Next(now time.Time, have State, limit time.Duration) time.Duration {
	// Never immediately, because the cache may lag behind the controller's own write.
	return max(renewAt(have, limit).Sub(now), time.Second)
}

// jitterShare is the fraction of a session over which renewals are spread, so that
// identities created together are not renewed together forever.
const jitterShare = 10

// renewAt returns the expiration minus limit, which is at most a third of the
// session, minus a jitter of up to a tenth of the session. The jitter is derived
// from the Secret's UID and the expiration, so that repeated calls agree.
func renewAt(have State, limit time.Duration) time.Time {
	if have.Session > 0 {
		limit = min(limit, have.Session/3)
	}
	spread := have.Session / jitterShare
	h := fnv.New32a()
	_, _ = h.Write([]byte(have.UID))
	_, _ = h.Write(have.Expiration.AppendFormat(nil, time.RFC3339))
	jitter := time.Duration(float64(spread) * float64(h.Sum32()) / (1 << 32))
	return have.Expiration.Add(-limit - jitter)
}

// MaxBackoff returns the maximum backoff after a failed renewal, 0 for the default: a
// quarter of the time left, so that retries become more frequent towards the
// expiration, but at least 5 seconds, because failed requests count towards AWS's
// rate limits, too.
func MaxBackoff(now time.Time, have State) time.Duration {
	if !have.Valid(now) {
		return 0
	}
	return max(have.Expiration.Sub(now)/4, 5*time.Second)
}
