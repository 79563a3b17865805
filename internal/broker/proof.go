package broker

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/go-kit/log/level"

	"kube-aws-iam-controller/internal/identity"
	"kube-aws-iam-controller/internal/refresh"
)

// proofLasts is how long a role is believed to ask for its external ID: whoever
// owns it can drop the condition any day.
const proofLasts = 24 * time.Hour

// prove makes sure that an existing role asks for its external ID, where that is
// required, and returns when it was last seen to. Without that, whoever can name
// the role in any namespace of the cluster could use it.
//
// The proof is kept on the Secret. What STS does not answer turns neither a yes
// into a no nor a no into a yes.
func (b *Broker) prove(ctx context.Context, want identity.Desired, have refresh.State) (time.Time, error) {
	if !b.RequireExternalID {
		return time.Time{}, nil
	}
	role, err := b.Sessions.Resolve(ctx, want)
	if err != nil {
		return time.Time{}, notAssumed(want, err)
	}
	now, proven := time.Now(), time.Time{}
	if have.Exists && !have.Edited && have.RoleARN == role.String() && !have.Proven.After(now) && !b.unproven.has(want.Key) {
		proven = have.Proven
	}
	if now.Sub(proven) < proofLasts-want.SessionDuration { // it outlasts the session
		return proven, nil
	}
	switch refuses, err := b.Sessions.RefusesOthers(ctx, want); {
	case err == nil && refuses:
		b.unproven.set(want.Key, false)
		return now, nil
	case err == nil:
		b.unproven.set(want.Key, true)
		return time.Time{}, &identity.StepError{
			Reason: identity.ExternalIDNotEnforced,
			Message: fmt.Sprintf("role '%s' can be assumed under any external ID, so every namespace could use it: have its trust policy ask for sts:ExternalId %s, as the one that the command trust-policy prints",
				role, identity.Quote(want.ExternalID)),
		}
	case !proven.IsZero():
		level.Warn(b.Logger).Log("msg", "cannot see whether the role still asks for its external ID", "object", want.Key, "role", role, "err", err)
		return proven, nil
	default:
		return time.Time{}, notAssumed(want, fmt.Errorf("see whether it asks for its external ID: %w", err))
	}
}

// unprovens remembers which identities were last seen to ask for a role that
// takes any external ID: until it is seen to take no other, what their Secrets
// say of it does not count.
type unprovens struct {
	mu sync.Mutex
	m  map[identity.Key]struct{}
}

func (u *unprovens) set(key identity.Key, unproven bool) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if !unproven {
		delete(u.m, key)
		return
	}
	if u.m == nil {
		u.m = map[identity.Key]struct{}{}
	}
	u.m[key] = struct{}{}
}

func (u *unprovens) has(key identity.Key) bool {
	u.mu.Lock()
	defer u.mu.Unlock()
	_, has := u.m[key]
	return has
}
