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

// proofLasts is how long a role is believed to ask for its external ID: whoever
// owns it can drop the condition any day.
const proofLasts = 24 * time.Hour

// prove makes sure that an existing role asks for its external ID, where that is
// required, and returns when it was last seen to. Without that, whoever can name
// the role in any namespace of the cluster could use it.
//
// The time of a proof is kept on the Secret, for people, and to know what is from
// before proofs were required. It is not believed: tenants write Secrets, and
// under any name. So each process proves a role again at the first renewal, which
// costs nothing of what is fresh. What STS does not answer turns neither a yes
// into a no nor a no into a yes.
func (b *Broker) prove(ctx context.Context, want identity.Desired) (time.Time, error) {
	if !b.mayRequire(want) || b.isMade(ctx, want) {
		return time.Time{}, nil
	}
	role, err := b.Sessions.Resolve(ctx, want)
	if err != nil {
		return time.Time{}, notAssumed(want, err)
	}
	required, err := b.requires(ctx, role)
	if err != nil || !required {
		return time.Time{}, err
	}
	now, proven := time.Now(), b.proofs.of(want.Key, role.String())
	if now.Sub(proven) < proofLasts-want.SessionDuration { // it outlasts the session
		return proven, nil
	}
	err = b.refusesOthers(ctx, want, role.String())
	if err != nil && !proven.IsZero() && reasonOf(err) != api.ExternalIDNotEnforced {
		level.Warn(b.Logger).Log("msg", "cannot see whether the role still asks for its external ID", "object", want.Key, "role", role, "err", err)
		return proven, nil
	}
	return now, err
}

// mayRequire says whether any role that want could ask for has to be proven. Those
// of AWSIAMRoles worked with the predecessor, which had no external ID: they have to
// be proven only where that is said.
func (b *Broker) mayRequire(want identity.Desired) bool {
	return b.RequireExternalID == identity.CheckAll ||
		b.RequireExternalID == identity.CheckOtherAccounts && want.Source == identity.ServiceAccount
}

// requires says whether a role has to be proven: any, or one of another account than
// the controller's own. There a role often trusts the controller's whole account, or
// takes any external ID, and nobody in this account can mend that. It is the account
// of the principal that trust policies name, wherever names of roles are looked up.
func (b *Broker) requires(ctx context.Context, role identity.RoleReference) (bool, error) {
	if b.RequireExternalID == identity.CheckAll {
		return true, nil
	}
	own, err := b.Sessions.Account(ctx)
	if err != nil {
		return false, err
	}
	return role.Partition != own.Partition || role.Account != own.Account, nil
}

// withdraws says whether credentials go of a role that does not ask for its external
// ID. What was issued by a version before, which did not require that of the role,
// lives until it runs out, unless it is said to be required of all: an upgrade takes
// nothing away. There is no grace beyond that, because nothing but the Secret, which
// tenants write, would say who was served before and could claim it.
func (b *Broker) withdraws(want identity.Desired, have refresh.State) bool {
	if have.Edited {
		return true
	}
	return have.SpecHash == want.SpecHash() && (b.RequireExternalID == identity.CheckAll || !have.Proven.IsZero())
}

// isMade says whether what was last good is the role that the controller made for
// the same object, the trust policy of which is its own. STS says whether it still
// has the unique id.
func (b *Broker) isMade(ctx context.Context, want identity.Desired) bool {
	if want.RoleID == "" {
		return false
	}
	_, made, err := b.ownRole(ctx, want.Key, refresh.State{RoleARN: want.Role.String()})
	return err == nil && made
}

// confirm proves a role that was proven just now once more, after it could be
// assumed: a role that is not seen everywhere yet refuses everybody.
func (b *Broker) confirm(ctx context.Context, want identity.Desired, role string) error {
	if want.Proven.IsZero() || want.Proven.Equal(b.proofs.of(want.Key, role)) {
		return nil
	}
	if err := b.refusesOthers(ctx, want, role); err != nil {
		return err
	}
	b.proofs.note(want.Key, proof{role: role, at: want.Proven})
	return nil
}

// refusesOthers returns an error unless STS refuses to let a role be assumed
// under another external ID.
func (b *Broker) refusesOthers(ctx context.Context, want identity.Desired, role string) error {
	switch refuses, err := b.Sessions.RefusesOthers(ctx, want); {
	case err != nil:
		return notAssumed(want, fmt.Errorf("see whether it asks for its external ID: %w", err))
	case refuses:
		return nil
	}
	b.proofs.forget(want.Key)
	return &identity.StepError{
		Reason: api.ExternalIDNotEnforced,
		Message: fmt.Sprintf("role '%s' can be assumed under any external ID, so every namespace could use it: have its trust policy ask for sts:ExternalId %s, as the one that the command trust-policy prints",
			role, identity.Quote(want.ExternalID)),
	}
}

// A proof says when which role was seen to refuse another external ID.
type proof struct {
	role string
	at   time.Time
}

// proofs remembers what this process has seen.
type proofs struct {
	mu sync.Mutex
	m  map[identity.Key]proof
}

// of returns when the role of an identity was proven, the zero Time for never.
func (p *proofs) of(key identity.Key, role string) time.Time {
	p.mu.Lock()
	defer p.mu.Unlock()
	if known := p.m[key]; known.role == role {
		return known.at
	}
	return time.Time{}
}

func (p *proofs) note(key identity.Key, seen proof) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.m == nil {
		p.m = map[identity.Key]proof{}
	}
	p.m[key] = seen
}

func (p *proofs) forget(key identity.Key) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.m, key)
}
