package broker

import (
	"context"
	"maps"
	"sync"
	"time"

	"kube-aws-iam-controller/internal/identity"
	"kube-aws-iam-controller/internal/limit"
	"kube-aws-iam-controller/internal/refresh"
)

// marked returns the context of a renewal, which says whether AWS is asked for what
// the namespace changes over and over: all that has a share of the requests, so that
// it takes none from first-time work and renewals that are due.
func (b *Broker) marked(ctx context.Context, want identity.Desired, have refresh.State, reason refresh.Reason) context.Context {
	if b.repeats(want.Key, have, reason, time.Now()) {
		return limit.Repeats(ctx, want.Namespace)
	}
	return ctx
}

// repeats says whether a renewal is one that somebody brought about who had what is
// asked for, or tried to, before. What runs out is not, unless that is forged. What
// is new in place of what the namespace took away is.
func (b *Broker) repeats(key identity.Key, have refresh.State, reason refresh.Reason, now time.Time) bool {
	if reason == refresh.NearExpiry && !have.Edited {
		return b.restores.servedOfLate(key, now)
	}
	_, made := b.fresh.of(key)
	return have.Exists || made || b.restores.triedOfLate(key, now) || b.removals.ofLate(key.Namespace, now)
}

// removals remember which namespaces took something away of late.
type removals struct {
	mu    sync.Mutex
	last  map[string]time.Time
	swept time.Time
}

func (r *removals) note(namespace string, now time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.last == nil {
		r.last = map[string]time.Time{}
	}
	if now.Sub(r.swept) > repeatWithin {
		r.swept = now
		maps.DeleteFunc(r.last, func(_ string, at time.Time) bool { return now.Sub(at) >= repeatWithin })
	}
	r.last[namespace] = now
}

func (r *removals) ofLate(namespace string, now time.Time) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	at, known := r.last[namespace]
	return known && now.Sub(at) < repeatWithin
}
