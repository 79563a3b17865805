package broker

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/go-kit/log/level"

	"kube-aws-iam-controller/internal/api"
	"kube-aws-iam-controller/internal/identity"
	"kube-aws-iam-controller/internal/refresh"
)

// secondLook is how long after a first sight of drift a second one counts: IAM
// may for some seconds show what is no longer so.
const secondLook = 20 * time.Second

// looks remembers when each own role is to be looked at.
type looks struct {
	mu sync.Mutex
	m  map[identity.Key]look
}

type look struct {
	at time.Time
	// suspect says that something was not as it should be the last time.
	suspect bool
}

// next returns when a role is to be looked at. Roles that are new to the process
// are spread over the interval.
func (l *looks) next(key identity.Key, now time.Time, interval time.Duration) look {
	l.mu.Lock()
	defer l.mu.Unlock()
	next, known := l.m[key]
	if !known {
		next = look{at: now.Add(rand.N(interval))} //nolint:gosec // jitter needs no secret randomness
		l.put(key, next)
	}
	return next
}

// plan sets when a role is to be looked at.
func (l *looks) plan(key identity.Key, next look) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.put(key, next)
}

func (l *looks) put(key identity.Key, next look) {
	if l.m == nil {
		l.m = map[identity.Key]look{}
	}
	l.m[key] = next
}

func (l *looks) forget(key identity.Key) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.m, key)
}

// inspect looks whether somebody else changed an own role, if it is time to, and
// returns when to look again. What is seen twice is corrected.
func (b *Broker) inspect(ctx context.Context, source Source, want identity.Desired, have refresh.State) (time.Duration, error) {
	now := time.Now()
	planned := b.looks.next(want.Key, now, b.DriftInterval)
	if wait := planned.at.Sub(now); wait > 0 {
		return wait, nil
	}
	if disabled := b.Roles.Disabled(); disabled != nil {
		return b.DriftInterval, nil //nolint:nilerr // then there is nothing to look at
	}
	role, err := b.Roles.Differs(ctx, want, b.fresh.id(want.Key, have.RoleID))
	b.tellKept(ctx, want, role)
	switch {
	case errors.Is(err, ErrSlow):
		return 0, err
	case err != nil:
		b.complain(ctx, want, have, reasonOf(err), err)
		return 0, err
	case len(role.Changed) == 0 && role.Renewed:
		return b.renewTrust(ctx, want, have)
	case len(role.Changed) == 0:
		return b.lookLater(want.Key), nil
	case !planned.suspect:
		b.looks.plan(want.Key, look{at: now.Add(secondLook), suspect: true})
		return secondLook, nil
	}
	return b.correct(ctx, source, want, have)
}

// early returns an interval, or up to a tenth less.
func early(interval time.Duration) time.Duration {
	return interval - rand.N(interval/10+1) //nolint:gosec // jitter needs no secret randomness
}

// lookLater plans the next look a little earlier than the interval, each time
// another little.
func (b *Broker) lookLater(key identity.Key) time.Duration {
	wait := early(b.DriftInterval)
	b.looks.plan(key, look{at: time.Now().Add(wait)})
	return wait
}

// correct makes an own role be as it should, with an event and a count for each
// thing that was not. Credentials of a role that was made anew are made anew.
func (b *Broker) correct(ctx context.Context, source Source, want identity.Desired, have refresh.State) (time.Duration, error) {
	role, err := b.ensure(ctx, want, have)
	if role.Created {
		role.Changed = []string{"role"}
	}
	role.Changed = slices.DeleteFunc(role.Changed, func(kind string) bool { return kind == identity.ClusterUIDKind }) // by nobody else
	for _, kind := range role.Changed {
		b.Metrics.ObserveDrift(kind)
		b.Reporter.Warn(ctx, want, false, api.RoleDriftCorrected, fmt.Sprintf("Somebody else had changed role '%s': %s is as asked for again", role.ARN, kind))
	}
	b.tellRenewed(want, role)
	if len(role.Changed) > 0 {
		level.Warn(b.Logger).Log("msg", "role drift corrected", "object", want.Key, "role", role.ARN, "changed", strings.Join(role.Changed, ","))
	}
	if role.Created {
		b.fresh.note(want, role, err == nil)
	}
	if err != nil {
		b.complain(ctx, want, have, reasonOf(err), err)
		return 0, err
	}
	wait := b.lookLater(want.Key)
	if role.Created {
		return b.renew(ctx, renewal{source: source, want: want, have: have, reason: refresh.SpecChanged, mends: true})
	}
	return wait, nil
}
