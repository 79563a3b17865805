package broker

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/go-kit/log/level"

	"kube-aws-iam-controller/internal/api"
	"kube-aws-iam-controller/internal/identity"
	"kube-aws-iam-controller/internal/refresh"
)

// renewTrust has the trust policy of a role that a version before made be as this one
// makes it. That is no drift, so it takes no second look. Sessions keep their names,
// so nothing has to be renewed with it.
func (b *Broker) renewTrust(ctx context.Context, want identity.Desired, have refresh.State) (time.Duration, error) {
	role, err := b.ensure(ctx, want, have)
	b.welcome(want, role)
	if err != nil {
		b.complain(ctx, want, have, reasonOf(err), err)
		return 0, err
	}
	return b.lookLater(want.Key), nil
}

// tellRenewed tells of a trust policy that was renewed.
func (b *Broker) tellRenewed(want identity.Desired, role identity.Role) {
	if !role.Renewed {
		return
	}
	b.Reporter.Normal(want, api.RoleUpdated,
		fmt.Sprintf("Updated role '%s': its trust policy demands this ServiceAccount's session name, and refuses the tags of EKS Pod Identity", role.ARN))
	level.Info(b.Logger).Log("msg", "trust policy renewed", "object", want.Key, "role", role.ARN)
}

// tellKept tells, once an hour, why a trust policy is left as a version before made it.
// The identity is served as it was, so that is no failure of it.
func (b *Broker) tellKept(ctx context.Context, want identity.Desired, role identity.Role) {
	if role.Kept == "" || !b.kept.due(want.Key, time.Now()) {
		return
	}
	level.Warn(b.Logger).Log("msg", "trust policy not renewed", "object", want.Key, "role", role.ARN, "reason", role.Kept)
	b.Reporter.Warn(ctx, want, false, api.TrustPolicyOutdated, role.Kept)
}

// repeats remembers when something that lasts was last told of each identity.
type repeats struct {
	mu sync.Mutex
	m  map[identity.Key]time.Time
}

// due says whether it is to be told again, which then counts as told. Looks come a
// little earlier than their interval.
func (r *repeats) due(key identity.Key, now time.Time) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if told, was := r.m[key]; was && now.Sub(told) < repeatAfter*9/10 {
		return false
	}
	if r.m == nil {
		r.m = map[identity.Key]time.Time{}
	}
	r.m[key] = now
	return true
}

func (r *repeats) forget(key identity.Key) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.m, key)
}
