package broker

import (
	"time"

	"kube-aws-iam-controller/internal/identity"
)

// The states of an identity, as metrics count them.
const (
	// Ready: the Secret holds valid credentials.
	Ready = "ready"
	// Degraded: it still does, but the last try to renew them failed.
	Degraded = "degraded"
	// Failed: it does not, and the last try failed.
	Failed = "failed"
	// Pending: it does not yet.
	Pending = "pending"
)

// States returns all states.
func States() []string { return []string{Ready, Degraded, Failed, Pending} }

// State returns the state of an identity, and when its credentials run out,
// the zero Time if there are none.
func (b *Broker) State(key identity.Key, now time.Time) (string, time.Time) {
	have := b.Secrets.Observe(key)
	_, troubled := b.troubles.of(key)
	switch valid := have.Valid(now); {
	case valid && troubled:
		return Degraded, have.Expiration
	case valid:
		return Ready, have.Expiration
	case troubled:
		return Failed, have.Expiration
	default:
		return Pending, have.Expiration
	}
}
