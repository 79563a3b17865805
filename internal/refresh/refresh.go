// Package refresh says whether credentials are due, why, and when to look
// again. It decides from values alone; time is an argument.
package refresh

import (
	"hash/fnv"
	"time"

	"kube-aws-iam-controller/internal/identity"
)

// State is what a Secret's metadata says of the credentials it holds.
type State struct {
	// Exists is false, and all else zero, where there is no Secret of ours.
	Exists bool
	// UID and ResourceVersion are the Secret's.
	UID, ResourceVersion string
	// RoleARN is the role the credentials belong to, RoleID its unique id if
	// it is the object's own.
	RoleARN, RoleID string
	// Proven is when the role was last seen to refuse another external ID, the
	// zero Time if never.
	Proven time.Time
	// Expiration is when they run out, the zero Time if that cannot be read.
	Expiration time.Time
	// Unreadable is the expiration that could not be read.
	Unreadable string
	// Session is the lifetime they were issued with, 0 if unknown.
	Session time.Duration
	// SpecHash is what they were issued for, see identity.Desired.
	SpecHash string
	// Edited says that somebody else wrote to what is ours in the Secret.
	Edited bool
}

// Valid says that the credentials have not run out.
func (s State) Valid(now time.Time) bool { return s.Exists && now.Before(s.Expiration) }

// A Reason names why credentials are due.
type Reason string

// The reasons, in the order they are tried.
const (
	Missing     Reason = "Missing"
	Unreadable  Reason = "Unreadable"
	SpecChanged Reason = "SpecChanged"
	Edited      Reason = "Edited"
	NearExpiry  Reason = "NearExpiry"
)

// rules are evaluated in order; the first that holds is the reason.
var rules = []struct {
	reason Reason
	holds  func(now time.Time, want identity.Desired, have State, limit time.Duration) bool
}{
	// No Secret: pods are waiting.
	{Missing, func(_ time.Time, _ identity.Desired, have State, _ time.Duration) bool { return !have.Exists }},
	// Nobody can tell how long the credentials live, or whose they are; the
	// predecessor's Secrets, which carry no annotations, are among these and
	// adopted so.
	{Unreadable, func(_ time.Time, _ identity.Desired, have State, _ time.Duration) bool {
		_, err := identity.ParseRole(have.RoleARN)
		return have.Expiration.IsZero() || err != nil
	}},
	// Role, duration, external ID or generation are others than before.
	{SpecChanged, func(_ time.Time, want identity.Desired, have State, _ time.Duration) bool {
		return have.SpecHash != want.SpecHash()
	}},
	// What the Secret says can no longer be trusted.
	{Edited, func(_ time.Time, _ identity.Desired, have State, _ time.Duration) bool { return have.Edited }},
	// Last, because a Secret that passed the rules above can be read.
	{NearExpiry, func(now time.Time, _ identity.Desired, have State, limit time.Duration) bool {
		return !now.Before(renewAt(have, limit))
	}},
}

// Due returns why want needs new credentials, if it does. limit is how long
// before they run out credentials are renewed.
func Due(now time.Time, want identity.Desired, have State, limit time.Duration) (Reason, bool) {
	for _, r := range rules {
		if r.holds(now, want, have, limit) {
			return r.reason, true
		}
	}
	return "", false
}

// Next returns how long credentials that are not due can be left alone.
func Next(now time.Time, have State, limit time.Duration) time.Duration {
	// Never at once: the cache that says so may lag behind our own write.
	return max(renewAt(have, limit).Sub(now), time.Second)
}

// jitterShare is the part of a session that renewals are spread over, so that
// identities created together do not come back together for ever.
const jitterShare = 10

// renewAt is limit before the end, but never in the first two thirds of the
// session, minus a jitter of up to a tenth of the session. The jitter follows
// from the Secret and the expiration alone: asking twice gives one answer.
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

// Patience is how long a failed renewal may wait at most before it is tried
// again, 0 if the usual back-off decides: the less time is left, the less
// patient, but never in a frenzy, because AWS counts complaints too.
func Patience(now time.Time, have State) time.Duration {
	if !have.Valid(now) {
		return 0
	}
	return max(have.Expiration.Sub(now)/4, 5*time.Second)
}
