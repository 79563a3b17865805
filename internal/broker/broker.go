// Package broker serves identities: it alone knows the order of the steps from the
// request of an object to a Secret with credentials.
//
// A sync observes what is known of an identity (facts.go), decides what to do about it
// (decide.go, which is pure), and does it (act.go).
package broker

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/go-kit/log"

	"kube-aws-iam-controller/internal/identity"
	"kube-aws-iam-controller/internal/status"
)

// Config holds the dependencies and settings of a Broker.
type Config struct {
	Sources  map[identity.Source]Source
	Rules    Rules
	Sessions Sessions
	Roles    ManagedRoles
	Secrets  Secrets
	// ExternalIDs checks existing roles.
	ExternalIDs ExternalIDs
	Status      *status.Recorder
	Metrics     Metrics
	Logger      log.Logger
	// RefreshLimit is how long before their expiration credentials are renewed.
	RefreshLimit time.Duration
}

// A Broker serves identities. Syncs of one identity must not overlap. Create it with
// New.
type Broker struct {
	Config

	limits limits
	outage outage
}

// New returns a Broker. Call Begin before the first Sync.
func New(config Config) *Broker {
	return &Broker{Config: config, limits: newLimits()}
}

// Begin forgets everything, because this replica has become the leader. It must precede
// the first sync.
func (b *Broker) Begin() {
	b.Roles.Begin()
	b.ExternalIDs.Begin()
	b.Status.Begin()
	b.limits = newLimits()
}

// Deadline returns when the credentials of an identity expire, or the zero Time for one
// that waits: it has none, or they were edited. An identity that was served a moment
// ago and is due again, because its Secret is deleted in a loop or its expiration is
// forged, is queued behind those whose credentials really expire.
func (b *Broker) Deadline(key identity.Key) time.Time {
	have, now := b.Secrets.Observe(key), time.Now()
	at := have.Expiration
	if have.Edited || !at.After(now) {
		at = time.Time{}
	}
	if behind := now.Add(b.RefreshLimit); at.Before(behind) && b.limits.renewals.Repeats(key, now) {
		return behind
	}
	return at
}

// An Outcome says when an identity is to be synced again.
type Outcome struct {
	// After is how long to wait, 0 for until something changes.
	After time.Duration
	// NeedsIAM says that a worker that may wait for IAM, which answers a few requests a
	// second, has to sync it as soon as possible. After still applies.
	NeedsIAM bool
	// Others are identities to sync now as well: their last attempt failed because STS was
	// unavailable, and it has recovered, so their back-off has no reason anymore.
	Others []identity.Key
}

// Sync makes the Secret of one identity match the request of its object. Problems are
// reported on the object; an error means that a retry before Outcome.After is
// worthwhile. Without mayUseIAM, Sync leaves what needs IAM to another sync and does
// the rest.
func (b *Broker) Sync(ctx context.Context, key identity.Key, mayUseIAM bool) (Outcome, error) {
	wait, skipped := b.unskip(ctx, key) // first: pods are created meanwhile
	asked, out, err := b.syncCredentials(ctx, key, mayUseIAM)
	out.After = sooner(out.After, wait)
	wait, labels := b.relabel(ctx, asked) // after a renewal, which writes labels, too
	out.After = sooner(sooner(out.After, wait), b.warn(key))
	out.After = sooner(out.After, b.Status.Unrecorded(key))
	if b.outage.over(time.Now()) {
		out.Others = b.Status.Outages()
	}
	return out, errors.Join(err, labels, skipped)
}

// syncCredentials syncs the contents of the Secret. It also returns what the object
// requests, nil for nothing.
func (b *Broker) syncCredentials(ctx context.Context, key identity.Key, mayUseIAM bool) (*identity.Desired, Outcome, error) {
	source, known := b.Sources[key.Source]
	if !known {
		return nil, Outcome{}, fmt.Errorf("unknown source %q", key.Source)
	}
	f, err := b.observe(ctx, source, key)
	if err != nil {
		var out Outcome
		out.After, err = b.undecided(ctx, source, f, err)
		return f.asked, out, err
	}
	out, err := b.serve(ctx, source, f, mayUseIAM)
	return f.asked, out, err
}

func (b *Broker) serve(ctx context.Context, source Source, f facts, mayUseIAM bool) (Outcome, error) {
	d := decide(f)
	if d.do == renewLastGood {
		wait, failed := b.renewLastGood(ctx, source, f)
		if failed == nil || f.refusal != nil {
			return Outcome{After: wait}, failed
		}
		return b.serveChange(ctx, source, f, mayUseIAM, failed)
	}
	return b.do(ctx, source, f, d, mayUseIAM)
}

// serveChange serves the current request although renewing the last good credentials
// failed. That failure counts unless the request is served.
func (b *Broker) serveChange(ctx context.Context, source Source, f facts, mayUseIAM bool, failed error) (Outcome, error) {
	f.lastGoodFailed = true
	out, err := b.do(ctx, source, f, decide(f), mayUseIAM)
	if err == nil && !out.NeedsIAM && b.Status.Failure(f.key) != nil {
		err = failed
	}
	return out, err
}

func (b *Broker) do(ctx context.Context, source Source, f facts, d decision, mayUseIAM bool) (Outcome, error) {
	if d.needsIAM && !mayUseIAM {
		return b.leaveToIAM(ctx, source, f, d)
	}
	wait, err := b.act(ctx, source, f, d)
	return Outcome{After: wait}, err
}

// sooner returns the shorter of two delays, where 0 means none.
func sooner(a, b time.Duration) time.Duration {
	if a == 0 || b == 0 {
		return max(a, b)
	}
	return min(a, b)
}
