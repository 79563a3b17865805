package app

import (
	"iter"
	"time"

	"kube-aws-iam-controller/internal/identity"
	"kube-aws-iam-controller/internal/status"
	"kube-aws-iam-controller/internal/telemetry"
)

// releasing is the state, in metrics, of what requests nothing any more and still has
// its managed role. To the broker that is no identity.
const releasing = "releasing"

// observed yields all identities as the metrics export them, and those whose role is
// being released.
func (c *controller) observed(keys []func() iter.Seq[identity.Key]) func() iter.Seq[telemetry.Identity] {
	return func() iter.Seq[telemetry.Identity] {
		return func(yield func(telemetry.Identity) bool) {
			for key := range c.accounts.Releasing() {
				if !yield(telemetry.Identity{Source: string(key.Source), Namespace: key.Namespace, Name: key.Name, State: releasing}) {
					return
				}
			}
			now := time.Now()
			for _, list := range keys {
				for key := range list() {
					if !yield(c.identity(key, now)) {
						return
					}
				}
			}
		}
	}
}

// identity returns an identity as the metrics export it.
func (c *controller) identity(key identity.Key, now time.Time) telemetry.Identity {
	have := c.store.Observe(key)
	state, reason := c.broker.Status.State(key, have, now)
	used := c.roles.LastUsed(key, have.RoleID, have.RoleUsed)
	return telemetry.Identity{
		Source: string(key.Source), Namespace: key.Namespace, Name: key.Name,
		State: state, Ready: state == status.Ready, Reason: reason, Expiration: have.Expiration,
		RoleUseKnown: used.Known, RoleLastUsed: used.At,
	}
}

// failed yields the identities whose waiting pods get an event.
func (c *controller) failed() iter.Seq[identity.Failed] {
	return c.broker.Status.Failed(c.store.Observe)
}
